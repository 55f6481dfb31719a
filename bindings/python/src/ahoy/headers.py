"""Header fields, whose names have no case."""

from __future__ import annotations

import base64
from typing import Any, Iterable, Iterator, Mapping, Sequence, Union

from ._handle import whole

HeaderInput = Union[Mapping[str, Union[str, Sequence[str]]], Iterable[tuple[str, str]], None]
Auth = Union[tuple[str, str], None]


class Headers(Mapping[str, str]):
    """The fields of an answer in their order. `headers["x"]` is the first value, `get_list` gives all."""

    __slots__ = ("_fields",)

    def __init__(self, fields: HeaderInput = None) -> None:
        self._fields = pairs(fields)

    def __getitem__(self, name: str) -> str:
        wanted = name.lower()
        for key, value in self._fields:
            if key.lower() == wanted:
                return value
        raise KeyError(name)

    def __iter__(self) -> Iterator[str]:
        seen = set()
        for key, _ in self._fields:
            lower = key.lower()
            if lower not in seen:
                seen.add(lower)
                yield lower

    def __len__(self) -> int:
        return len({key.lower() for key, _ in self._fields})

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and any(key.lower() == name.lower() for key, _ in self._fields)

    def get_list(self, name: str) -> list[str]:
        """All values of a name, in order."""
        return [value for key, value in self._fields if key.lower() == name.lower()]

    def multi_items(self) -> list[tuple[str, str]]:
        """Every field as it came, repeated names included."""
        return list(self._fields)

    def __repr__(self) -> str:
        return f"Headers({self._fields!r})"


def encoded(value: str | bytes) -> bytes:
    """A name or value as the library takes it."""
    if not isinstance(value, (str, bytes)):
        raise TypeError(f"names and values of headers are text or bytes, and not {type(value).__name__}")
    return whole("a header", value if isinstance(value, bytes) else value.encode())


def decoded(value: bytes) -> str:
    """A value as text. It is UTF-8, as `encoded` writes it; what is not is taken for Latin-1, of which each byte is text."""
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")


def pairs(fields: HeaderInput) -> list[tuple[str, str]]:
    """Fields as pairs of text; several values of a name may be a list."""
    if fields is None:
        return []
    if isinstance(fields, Headers):
        return fields.multi_items()
    if isinstance(fields, (str, bytes)) or not isinstance(fields, Iterable):
        raise TypeError(f"headers are a mapping or pairs, and not {fields!r}")
    if not isinstance(fields, Mapping):
        return [_pair(field) for field in fields]
    found, given = [], fields  # type: list[tuple[str, str]], Mapping[str, Any]
    for name, values in given.items():
        found += [(name, value) for value in (values if isinstance(values, (list, tuple)) else [values])]
    return found


def _pair(field: Any) -> tuple[str, str]:
    if not isinstance(field, (tuple, list)) or len(field) != 2:
        raise TypeError(f"a header is a pair of name and value, and not {field!r}")
    name, value = field
    return name, value


def authorized(fields: list[tuple[str, str]], auth: Auth) -> list[tuple[str, str]]:
    """Fields with user and password, as Basic has them; a field that the program set itself stays."""
    if auth is None or any(name.lower() == "authorization" for name, _ in fields):
        return fields
    if not isinstance(auth, tuple) or not all(isinstance(part, str) for part in auth) or len(auth) != 2:
        raise TypeError("auth is a pair of user and password")
    if ":" in auth[0]:
        raise ValueError("auth: a user has no colon")
    return [*fields, ("authorization", "Basic " + base64.b64encode(":".join(auth).encode()).decode())]
