"""What steers it: guidance takes denoisers and returns a denoiser. A scale of 1 is off."""
