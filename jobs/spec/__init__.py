"""The job spec: its fields, its validation and error messages, and its expansion to variants and trials."""
