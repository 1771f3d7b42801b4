"""Runs on disk: the one place that knows a run directory's file names."""
