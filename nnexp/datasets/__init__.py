"""Where examples come from: MNIST in the package, and the user's own files."""
