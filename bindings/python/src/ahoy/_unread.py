"""What was read of a body and not given out: it stays for whatever reads next."""

from __future__ import annotations

import codecs
import re
from typing import Callable

from .sse import Event, Parser

_LINE_END = re.compile(rb"\n")
# A CR at the end of a piece ends its line, also where the LF of a CR LF follows.
_EVENT_LINE_END = re.compile(rb"\r\n|\n|\r")


class _Lines:
    """Whole lines, as they came and as they are given out: splitting them one by one would take long."""

    __slots__ = ("_raw", "_line_end", "_split", "_given")

    def __init__(self, raw: bytes, line_end: re.Pattern[bytes], split: list[str]) -> None:
        self._raw, self._line_end, self._split, self._given = raw, line_end, split, 0

    def next(self) -> str | None:
        """The next line without its end, if there is one more."""
        given = self._given
        if given == len(self._split):
            return None
        self._given = given + 1
        return self._split[given]

    def left(self) -> bytes:
        """What was not given out, as it came."""
        return self._line_end.split(self._raw, self._given)[self._given] if self._given else self._raw


_NO_LINES = _Lines(b"", _LINE_END, [])


class Unread:
    """The pieces of a body, out of which each reader takes what it gives out: pieces, text, lines or events.

    What takes them is told whether the body has ended, and gives None where that needs more than is there.
    """

    def __init__(self, encoding: Callable[[], str]) -> None:
        self.pieces: list[bytes] = []
        """What has come, in order; the next piece is appended."""
        self._encoding = encoding
        # Of readers of lines, and of events: what is split, and in how many pieces no line ends, for a long one has many.
        self._lines = self._event_lines = _NO_LINES
        self._looked, self._after_cr = 0, False
        # Of text: what decodes it, and what is decoded of lines whose ends are several bytes wide.
        self._decoder: codecs.IncrementalDecoder | None = None
        self._wide = ""
        self._parser = Parser()

    def piece(self, _: bool = False) -> bytes | None:
        """The next piece."""
        self._give_back()
        if self._decoder is not None:
            self._encode()
        return self._next()

    def text(self, ended: bool) -> str | None:
        """The next piece of text."""
        self._give_back()
        if self._wide:
            text, self._wide = self._wide, ""
            return text
        piece = self._next()
        if piece is not None:
            return self._decoded(piece)
        return self._decoded(b"", True) or None if ended else None

    def line(self, ended: bool) -> str | None:
        """The next line, without its end."""
        line = self._lines.next()
        if line is not None:
            return line
        if "\n".encode(self._encoding()) != b"\n":
            return self._wide_line(ended)
        raw = self._whole_lines(_LINE_END)
        if raw:
            split = [line.rstrip("\r") for line in self._decoded(raw).split("\n")[:-1]]
            self._lines = _Lines(raw, _LINE_END, split)
            return self._lines.next()
        return self._decoded(b"".join(iter(self._next, None)), True) or None if ended else None

    def event(self, _: bool) -> Event | None:
        """The next event; one that the end of the body cuts is none."""
        while True:
            line = self._event_lines.next()
            if line is None:
                raw = self._whole_lines(_EVENT_LINE_END)
                if not raw:
                    return None
                split = raw.decode("utf-8", "replace").replace("\r\n", "\n").replace("\r", "\n").split("\n")[:-1]
                self._event_lines = _Lines(raw, _EVENT_LINE_END, split)
                continue
            event = self._parser.line(line)
            if event is not None:
                return event

    def _next(self) -> bytes | None:
        self._looked = 0
        try:
            return self.pieces.pop(0)
        except IndexError:  # Threads may take from one body.
            return None

    def _give_back(self) -> None:
        """Has what is split go to a reader of another kind, as it came."""
        if self._after_cr and self.pieces:
            # The line that this LF ends has ended by its CR.
            self.pieces[0] = self.pieces[0][self.pieces[0].startswith(b"\n") :]
            self._after_cr = False
        lines, self._lines = self._lines, _NO_LINES
        event_lines, self._event_lines = self._event_lines, _NO_LINES
        left = lines.left() or event_lines.left() if lines is not event_lines else b""
        if left:
            self.pieces.insert(0, left)
            self._looked = 0

    def _encode(self) -> None:
        """Has what is decoded go to a reader of bytes: a character that is cut, and lines whose ends are several bytes wide."""
        assert self._decoder is not None
        wide, (cut, state) = self._wide.encode(self._encoding(), "replace"), self._decoder.getstate()
        if wide or cut:
            self._wide = ""
            self._decoder.setstate((b"", state))
            self.pieces.insert(0, wide + cut)

    def _decoded(self, piece: bytes, ended: bool = False) -> str:
        if self._decoder is None:
            self._decoder = codecs.getincrementaldecoder(self._encoding())("replace")
        return self._decoder.decode(piece, ended)

    def _whole_lines(self, line_end: re.Pattern[bytes]) -> bytes:
        """Takes out the lines that are whole."""
        self._give_back()
        pieces = self.pieces
        for at in range(len(pieces) - 1, self._looked - 1, -1):
            end = max(pieces[at].rfind(b"\n"), pieces[at].rfind(b"\r") if line_end is _EVENT_LINE_END else -1) + 1
            if end:
                raw, rest = b"".join([*pieces[:at], pieces[at][:end]]), pieces[at][end:]
                pieces[: at + 1] = [rest] if rest else []
                self._looked = len(pieces)
                # An LF may follow in the next piece.
                self._after_cr = not pieces and raw.endswith(b"\r") and line_end is _EVENT_LINE_END
                return raw
        self._looked = len(pieces)
        return b""

    def _wide_line(self, ended: bool) -> str | None:
        """The next line of text whose LF is not one byte, as of UTF-16: it is known once it is decoded."""
        self._give_back()
        while "\n" not in self._wide and (piece := self._next()) is not None:
            self._wide += self._decoded(piece)
        line, found, rest = self._wide.partition("\n")
        if found:
            self._wide = rest
            return line.rstrip("\r")
        if not ended:
            return None
        self._wide = ""
        return line + self._decoded(b"", True) or None
