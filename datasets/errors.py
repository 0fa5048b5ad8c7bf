"""Errors of stored data. shards.py and manifest.py raise them; nothing is read here."""


class DataError(ValueError):
    """Stored data that must not be trained on."""

    exit_code = 3
    """Of a command that this error ends, and of a run with a pack that it fails."""


class DamagedShard(DataError):  # noqa: N818  its base says that it is an error
    """One of our shards whose bytes aren't those that were written: flipped, truncated or unreadable."""


class ForeignShard(DataError):  # noqa: N818  the same
    """Readable Parquet that is not the shard that its path says."""


class DamagedManifest(DataError):  # noqa: N818  the same
    """A manifest whose bytes aren't those that were written, or that contradicts itself."""
