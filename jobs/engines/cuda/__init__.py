"""The native GPU engine's parts: kernels, their compilation, and the CUDA driver."""
