"""Formulas as targets: parsed, never evaluated as Python, checked on their range, and computed on whole columns."""
