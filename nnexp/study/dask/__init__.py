"""Jobs as tasks of a dask cluster."""
