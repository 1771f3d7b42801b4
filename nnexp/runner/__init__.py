"""One config trained into one run: assembled, recorded, checked, verified."""
