"""A circuit that is opened by a failure, and closed by hand."""

from .circuit import Circuit, ClosedState, OpenState

__all__ = ["Circuit", "ClosedState", "OpenState"]
