"""A diffusion model, a VAE and a GAN of one network shape, one data set and one budget of training FLOPs."""
