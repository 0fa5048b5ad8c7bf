"""Where it runs: the only folder that imports Ray.

It knows neither datasets nor jobs: it is handed functions and plain data, and calls the ones with the others.
"""
