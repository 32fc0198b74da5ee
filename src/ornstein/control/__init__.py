"""What holds a trajectory to more than its prompt: a picture to start from, and parts of it that stay."""
