"""How is the noise undone? Pure steppers from time t to time s, and the loop that applies them."""
