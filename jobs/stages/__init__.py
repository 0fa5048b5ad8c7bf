"""The stages of a run, each on its own: plan, generate, train; and the files that each keeps in the store."""
