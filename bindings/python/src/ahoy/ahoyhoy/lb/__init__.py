"""Balancers."""

from .randomlb import RandomLB
from .roundrobinlb import RoundRobinLB

__all__ = ["RandomLB", "RoundRobinLB"]
