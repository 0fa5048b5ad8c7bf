"""Where the work runs. The only folder that imports Ray.

It knows nothing of datasets or jobs: it receives functions and plain data, and calls those functions with that data.
"""
