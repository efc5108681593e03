"""Built-in tasks, each a file NAME.toml in the form of DATA/task.toml."""
