"""Damage in a store: every file is read whole, what is wrong is named with a remedy, and what follows is removed."""
