"""Train networks: batches, epochs, evaluation and stopping. No files and no printing."""
