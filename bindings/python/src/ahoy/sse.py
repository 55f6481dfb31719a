"""Server-sent events, as the HTML standard describes them."""

from __future__ import annotations

import dataclasses
from typing import Iterator


@dataclasses.dataclass(frozen=True)
class Event:
    """One event of a stream."""

    event: str = "message"
    data: str = ""
    id: str = ""
    retry: int | None = None
    """Milliseconds after which the server wants a client to connect again."""


class Parser:
    """Takes the bytes of a stream in pieces of any length and gives the events that are whole."""

    def __init__(self) -> None:
        self._begun: list[bytes] = []
        self._after_cr = False
        self._id = ""
        self._first = True
        self._start()

    def _start(self) -> None:
        self._event, self._data, self._retry = "", [], None  # type: tuple[str, list[str], int | None]

    def feed(self, piece: bytes) -> Iterator[Event]:
        """The events that end in this piece."""
        # A CR at the end of a piece ends its line, also where the LF of a CR LF follows.
        data = piece[1:] if self._after_cr and piece.startswith(b"\n") else piece
        self._after_cr = data.endswith(b"\r") or (self._after_cr and not piece)
        first, *others = data.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
        # The pieces of a line are joined once, at its end: a long one has many.
        self._begun.append(first)
        for begun in others:
            line, self._begun = b"".join(self._begun), [begun]
            event = self.line(line.decode("utf-8", "replace"))
            if event is not None:
                yield event

    def line(self, line: str) -> Event | None:
        """The event that a line ends, which comes without its own end."""
        if self._first:
            self._first, line = False, line[line.startswith("\ufeff") :]
        if not line:
            return self._dispatch()
        name, _, value = line.partition(":")
        value = value[1:] if value.startswith(" ") else value
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._event = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self._retry = int(value)
        return None

    def _dispatch(self) -> Event | None:
        event = Event(self._event or "message", "\n".join(self._data), self._id, self._retry)
        had_data = bool(self._data)
        self._start()
        return event if had_data else None


def parse(pieces: Iterator[bytes]) -> Iterator[Event]:
    """The events of a body."""
    parser = Parser()
    for piece in pieces:
        yield from parser.feed(piece)
