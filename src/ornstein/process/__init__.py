"""How is data destroyed? Paths from data to noise, laws and grids of time, and seeded noise."""
