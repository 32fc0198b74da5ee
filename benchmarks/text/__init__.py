"""Text by masked diffusion beside a network of the same size that is trained to say the next token."""
