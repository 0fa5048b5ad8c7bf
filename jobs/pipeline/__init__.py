"""A run from its spec to its outcome: the story, its stages, and the runners that carry out the work."""
