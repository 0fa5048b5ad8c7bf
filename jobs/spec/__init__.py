"""The job spec: its fields, its checks, what its errors say, and the variants and trials that it asks for."""
