"""The config of an experiment: its model, and reading and writing it as YAML."""
