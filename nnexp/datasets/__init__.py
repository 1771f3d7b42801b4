"""Load data sets: MNIST, which ships with the package, and the user's own files."""
