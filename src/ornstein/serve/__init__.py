"""A bundle as a service: an engine that batches, an interface people know, and the books kept."""
