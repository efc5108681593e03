"""The commands as functions, without terminal: cli/verbs has their options, ray_jobs their jobs."""
