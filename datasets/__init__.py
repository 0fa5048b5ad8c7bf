"""What the networks learn from: random integers and their sums, products and squares, as Parquet shards.

Pure: functions of a dataset spec that give rows and bytes. It reads and writes no files, and knows nothing of
jobs or clusters.
"""
