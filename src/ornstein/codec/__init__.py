"""Between data and the space the process runs in; knows nothing of diffusion."""
