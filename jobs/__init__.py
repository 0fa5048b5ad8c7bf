"""What is run: job specs, trials, packs, the engines that train them, results, summaries, the command line."""
