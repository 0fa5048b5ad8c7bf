"""`python -m jobs` is the command `sumsquares`."""

from jobs.cli import main

main()
