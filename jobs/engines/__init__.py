"""What trains a pack: pure functions on arrays with a leading model axis. No Ray here, and no files."""
