"""What was found: the files of a pack, the results of a store, the summary of a run, trained models."""
