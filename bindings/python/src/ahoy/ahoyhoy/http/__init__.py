"""A Session of requests with callbacks around its calls."""

from .proxy import SessionProxy

__all__ = ["SessionProxy"]
