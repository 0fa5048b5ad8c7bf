"""What the benchmarks compare with, in an environment of its own, each in a process of its own."""
