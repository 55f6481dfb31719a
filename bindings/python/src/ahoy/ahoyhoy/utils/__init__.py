"""A host by address and port."""

from .host import Host

__all__ = ["Host"]
