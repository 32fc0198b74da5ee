"""A bundle as a service: the engine, the API people know, the studio in the browser, and the books kept."""
