"""Why can a network learn sums but not squares? Trains every MLP variant of a grid, and tells.

The code lies in three folders beside this one, of which `jobs`, `cluster` and `datasets` in here are links: nothing but
`sumsquares` is installed at the top level, where `datasets` is another project's name.
"""

__version__ = "0.1.0"
