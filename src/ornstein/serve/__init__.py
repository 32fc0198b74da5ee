"""Models as a service: an engine for many requests at once, an HTTP interface, books, monitoring, a studio."""
