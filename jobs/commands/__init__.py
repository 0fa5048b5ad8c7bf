"""What each command does: makes its calls, prints for people or as JSON, and returns an exit code."""
