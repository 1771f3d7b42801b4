"""Trained networks and their metrics in the formats of other tools."""
