"""An experiment bench for small neural networks, from YAML files and the shell.

The library behind the command line: ``nnexp.runner.train.train`` trains a config
into a run directory, ``nnexp.analysis`` compares runs.
"""

__version__ = "0.1.0"
