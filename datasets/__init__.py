"""What the networks learn from: random numbers and their sum, product, squares or any formula, as Parquet shards.

Pure: functions from a dataset spec to rows and bytes. It reads and writes no files, and knows nothing of
jobs or clusters.
"""
