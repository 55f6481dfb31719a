"""Clients, and what builds them."""

from .builder import LBClientBuilder, SessionClientBuilder
from .client import Client, SimpleClient

__all__ = ["Client", "LBClientBuilder", "SessionClientBuilder", "SimpleClient"]
