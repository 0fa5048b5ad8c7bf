"""Files in a local folder or an object store, each written atomically. Only bytes and paths are known here."""
