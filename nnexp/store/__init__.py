"""Runs on disk. No other package knows the names of the files in a run directory."""
