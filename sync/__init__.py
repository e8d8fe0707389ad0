"""The verbs: one job, one file."""
