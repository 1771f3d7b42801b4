"""Optimizers and learning-rate schedules: pure functions of vectors and histories."""
