"""Train one config into one run: assemble, check, record, verify."""
