"""The cuda engine: kernels of our own for NVIDIA GPUs, compiled when first needed, and what loads and calls them."""
