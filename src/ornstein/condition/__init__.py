"""What steers it: anything that steers becomes tokens and a mask."""
