"""Analyse runs: compare, evaluate, diagnose and query them."""
