"""The command line: options as Typer reads them, standard streams. What a command does is in `commands`."""
