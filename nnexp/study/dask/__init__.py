"""The engine that trains jobs on a dask cluster."""
