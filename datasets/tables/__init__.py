"""Tables of one's own as datasets: read, checked and digested here; stored and read back by jobs."""
