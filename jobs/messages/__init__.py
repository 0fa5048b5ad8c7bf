"""How messages are worded: secrets masked, long lists shortened, values quoted."""
