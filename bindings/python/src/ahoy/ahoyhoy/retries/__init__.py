"""How often a call is repeated."""

from .retries import Retry

__all__ = ["Retry"]
