"""A host with its circuit, to which requests can be sent alone."""

from .endpoint import Endpoint, SimpleHttpEndpoint

__all__ = ["Endpoint", "SimpleHttpEndpoint"]
