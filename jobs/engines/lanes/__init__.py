"""The native kernel of the lanes engine: C++ sources, and what loads and calls the library that is built of them."""
