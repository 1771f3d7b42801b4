"""Many runs: what to try, where to train it, and what came of it."""
