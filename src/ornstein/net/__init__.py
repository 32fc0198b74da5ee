"""Networks on tokens and coordinates; nothing here knows of diffusion."""
