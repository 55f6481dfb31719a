"""A list of hosts."""

from __future__ import annotations

from typing import Any, Iterable

from .iprovider import IProvider


class ListProvider(IProvider):
    """A list that never changes."""

    def __init__(self, *hosts: Any) -> None:
        self._hosts = hosts

    def get_list(self) -> Iterable[Any]:
        return self._hosts
