"""How good it is: feature networks and the measures taken on their features."""
