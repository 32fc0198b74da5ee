"""What makes a trained model cheaper to ask."""
