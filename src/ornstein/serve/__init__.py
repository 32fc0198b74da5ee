"""A model as a service: an engine that many share, an API people know, and the books kept."""
