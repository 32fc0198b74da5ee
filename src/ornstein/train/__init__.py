"""Training: objective, optimisers, averaged weights, checkpoints, and the loop."""
