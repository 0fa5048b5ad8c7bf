"""Damage in a store: reads every file completely, names each fault with its remedy, and repairs what it can."""
