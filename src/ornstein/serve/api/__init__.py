"""The HTTP interface: OpenAI's images API, and what a studio needs besides."""

from ornstein.serve.api.app import create_app

__all__ = ["create_app"]
