"""What can be wrong with stored data. Nothing here reads it: shards.py and manifest.py raise these."""


class DataError(ValueError):
    """Stored data that must not be trained on."""

    exit_code = 3
    """Of a command that this error ends, and of a run with a pack that it fails."""


class DamagedShard(DataError):  # noqa: N818  its base says that it is an error
    """A shard of ours whose bytes are not those that were written: flipped, truncated or unreadable."""


class ForeignShard(DataError):  # noqa: N818  the same
    """Readable Parquet that is not the shard of this dataset that its path promises."""


class DamagedManifest(DataError):  # noqa: N818  the same
    """A manifest whose bytes are not those that were written, or that contradicts itself."""
