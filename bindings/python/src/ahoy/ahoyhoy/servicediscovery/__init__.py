"""A Session for one host, whose calls take paths."""

from .servicediscovery import ServiceDiscoveryHttpClient

__all__ = ["ServiceDiscoveryHttpClient"]
