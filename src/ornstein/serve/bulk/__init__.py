"""Bulk work: a file of prompts becomes a folder of pictures that a killed run goes on with (``run.run``)."""
