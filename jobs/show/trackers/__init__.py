"""Runs as other tools show them: MLflow and TensorBoard. Each file needs the package of its tool."""
