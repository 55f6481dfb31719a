"""What providers have in common."""

from __future__ import annotations

import abc
from typing import Any, Iterable


class IProvider(abc.ABC):
    """Where hosts come from: derive, and give them in `get_list`."""

    @abc.abstractmethod
    def get_list(self) -> Iterable[Any]:
        """The hosts."""
