"""The loop: batches, epochs, evaluation and stopping, without files or printing."""
