"""Sweeps: many configs planned as one, trained by an engine, ranked in the end."""
