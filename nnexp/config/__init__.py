"""What an experiment is: the config's model, and its way from and to YAML."""
