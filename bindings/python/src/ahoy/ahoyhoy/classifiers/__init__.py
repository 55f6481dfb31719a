"""Which answers are failures."""

from .servererror import raise_for_status

__all__ = ["raise_for_status"]
