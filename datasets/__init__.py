"""What the networks learn from: random integers and their sums, products and squares, as Parquet shards.

Pure: functions from a dataset spec to rows and bytes. It reads and writes no files, and knows nothing of
jobs or clusters.
"""
