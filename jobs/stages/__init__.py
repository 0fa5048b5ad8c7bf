"""The stages of a run, one at a time: plan, generate, train; and what each of them keeps in the store."""
