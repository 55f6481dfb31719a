"""A circuit that is opened by a failure, and closed by hand."""

from __future__ import annotations

from typing import Any, Callable

from ... import balancer as balancers
from ..classifiers import raise_for_status


class ClosedState:
    """Requests are let through."""


class OpenState:
    """No request is let through."""


class Circuit:
    """Whether requests are let through: the circuit of a balancer's endpoint, or one of its own."""

    def __init__(self, live: balancers.Endpoint | None = None) -> None:
        self._live = live
        self._opened = False
        self._retry: Callable[..., Any] | None = None
        self._exc: Callable[[Exception], Any] | None = None

    @property
    def available(self) -> bool:
        """Whether requests are let through."""
        return not self._opened if self._live is None else self._live.available

    @property
    def state(self) -> type:
        """The state as a class."""
        return ClosedState if self.available else OpenState

    def is_open(self) -> bool:
        """Whether it is open."""
        return not self.available

    def is_closed(self) -> bool:
        """Whether it is closed."""
        return self.available

    def open(self) -> None:
        """Opens it until `close`; RuntimeError where it is open."""
        self._change(True)

    def close(self) -> None:
        """Closes it; RuntimeError where it is closed."""
        self._change(False)

    def _change(self, opened: bool) -> None:
        if self._live is not None:
            # It refuses a state that is there already by a RuntimeError.
            return self._live.open_circuit() if opened else self._live.close_circuit()
        if self._opened == opened:
            raise RuntimeError(f"State is already {'open' if opened else 'closed'}.")
        self._opened = opened

    def classify(self, function: Callable[..., Any], *arguments: Any, **options: Any) -> Any:
        """Calls a function, by the retries that were set; what it raises opens the circuit."""
        try:
            if self._retry is None:
                result = function(*arguments, **options)
            else:
                result = self._retry(function, fargs=arguments, fkwargs=options)
        except Exception as error:
            if self.available:
                self.open()
            if self._exc is None:
                raise
            return self._exc(error)
        return raise_for_status(result)
