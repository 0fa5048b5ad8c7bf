"""Files in a local folder or an object store, each written whole or not at all. They know bytes and paths alone."""
