"""Searches: trials asked for one by one or all at once, each an ordinary run."""
