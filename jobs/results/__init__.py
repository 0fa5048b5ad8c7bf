"""Results: the files of a pack, the results in a store, predictions of trained models, the summary of a run."""
