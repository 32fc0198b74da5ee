"""Serving: an API that people already know, a studio in the browser, and the books kept."""
