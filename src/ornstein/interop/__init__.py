"""Published checkpoints in, our models out: folders as the diffusers library lays them out."""
