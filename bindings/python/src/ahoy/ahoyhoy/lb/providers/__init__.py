"""Where hosts come from."""

from .listprovider import ListProvider

__all__ = ["ListProvider"]
