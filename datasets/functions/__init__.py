"""What datasets/elementary.py consists of: each function of a piece of an array, and the constants of all."""
