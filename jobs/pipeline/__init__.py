"""A run from its spec to its outcome, and where its work is carried out."""
