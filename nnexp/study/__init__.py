"""Train many runs: sweeps, searches, and the engines that execute their jobs."""
