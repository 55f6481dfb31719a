"""What is sent."""

from __future__ import annotations

import itertools
import json as json_module
import time
from typing import Any, AsyncIterable, Iterable, Mapping, Sequence, Union
from urllib.parse import quote, urlencode

from ._bodies import Drawn, Fed, body_of
from ._handle import Handle, check, flag, given, milliseconds, take
from ._library import callback, lib
from .headers import Auth, HeaderInput, authorized, encoded, pairs

Content = Union[bytes, bytearray, memoryview, str, Iterable[bytes], AsyncIterable[bytes], None]
Data = Union[Mapping[str, Any], Sequence[tuple[str, Any]], Content]
Key = Union[bytes, bytearray, memoryview, str]
Params = Union[Mapping[str, Any], Sequence[tuple[str, Any]], str, bytes, None]

# What a path may hold besides letters and digits; "%" since it may be encoded already.
_SAFE = "/%?&=:@!$'()*+,;-._~[]"


_numbers = itertools.count(1)


class Request:
    """One request, made ready for the library."""

    __slots__ = ("begun", "handle", "method", "path", "streamed", "_number", "_source")

    def __init__(self, method: str, path: str) -> None:
        self.begun = time.perf_counter()
        self.method = method
        self.path = path
        self.handle = take(lib.ahoy_request_free, lib.ahoy_request_new, given("method", method), given("path", path))
        self.streamed = False
        self._number = 0
        self._source: Drawn | Fed | None = None

    @property
    def pointer(self) -> int:
        return self.handle.pointer or 0

    @property
    def number(self) -> int:
        """What the library is told to know its calls by."""
        if not self._number:
            self._number = next(_numbers)
            # A number in place of a pointer: nothing has to be kept alive for it.
            check(lib.ahoy_request_set_user_data, self.pointer, self._number, callback("ahoy_destroy_fn")())
        return self._number

    def header(self, name: str, value: str | bytes) -> None:
        """Sets a field in place of all others of its name."""
        check(lib.ahoy_request_set_header, self.pointer, encoded(name), encoded(value))

    def add_header(self, name: str, value: str | bytes) -> None:
        """Adds a field."""
        check(lib.ahoy_request_add_header, self.pointer, encoded(name), encoded(value))

    def body(self, content: Content) -> None:
        """Sets what is sent: bytes, text, or a file or an iterable of bytes that is drawn while it is sent.

        An asynchronous one is drawn in the loop, for as long as the call is under way.
        """
        if content is None:
            return
        if isinstance(content, str):
            content = content.encode()
        if isinstance(content, (bytes, bytearray, memoryview)):
            data = bytes(content)
            check(lib.ahoy_request_set_body, self.pointer, data, len(data))
            return
        source = None if isinstance(content, Mapping) else body_of(content)
        if source is None:
            kind = type(content).__name__
            raise TypeError(f"a body is bytes, text or an iterable of bytes, and not {kind}; json= and data= send values")
        if isinstance(source, bytes):
            return check(lib.ahoy_request_set_body, self.pointer, source, len(source))
        self._source = source
        source.attach(self.handle)

    @property
    def source(self) -> Fed | Drawn | None:
        """The body, where it is brought while it is sent."""
        return self._source

    @property
    def fed(self) -> Fed | None:
        """The body, where a task has to bring it."""
        return self._source if isinstance(self._source, Fed) else None

    @property
    def drawn(self) -> Drawn | None:
        """The body, where a thread has to bring it."""
        return self._source if isinstance(self._source, Drawn) else None

    def raised(self) -> BaseException | None:
        """What the iterable of the body raised; it is told once.

        Kept, it would keep the request: the frames that it came through have it.
        """
        if isinstance(self._source, Fed):
            return self._source.raised()
        if self._source is None:
            return None
        raised, self._source.raised = self._source.raised, None
        return raised


def build(
    method: str,
    path: str,
    *,
    params: Params = None,
    headers: HeaderInput = None,
    content: Content = None,
    data: Data = None,
    json: Any = None,
    auth: Auth = None,
    timeout: float | None = None,
    attempt_timeout: float | None = None,
    idle_timeout: float | None = None,
    idempotent: bool | None = None,
    criticality: int | None = None,
    group: str | None = None,
    hash_key: Union[Key, None] = None,
    streamed: bool = False,
) -> Request:
    """A request out of what the methods of a client take."""
    if not isinstance(method, str):
        raise TypeError(f"a method is text, and not {method!r}")
    if sum(body is not None for body in (content, data, json)) > 1:
        raise TypeError("a request has one of content, data and json")
    request = Request(method.upper(), with_params(path, params))
    pointer = request.pointer
    fields = authorized(pairs(headers), auth)
    if json is not None:
        content = _encoded(json)
        _default(fields, "content-type", "application/json")
    elif _is_form(data):
        form: Any = data
        content = _urlencoded(form).encode()
        _default(fields, "content-type", "application/x-www-form-urlencoded")
    elif data is not None:
        body: Any = data
        content = body
    for name, value in fields:
        request.add_header(name, value)
    request.body(content)
    if timeout is not None:
        check(lib.ahoy_request_set_timeout_ms, pointer, milliseconds("timeout", timeout))
    if attempt_timeout is not None:
        check(lib.ahoy_request_set_attempt_timeout_ms, pointer, milliseconds("attempt_timeout", attempt_timeout))
    if idle_timeout is not None:
        check(lib.ahoy_request_set_idle_timeout_ms, pointer, milliseconds("idle_timeout", idle_timeout))
    if idempotent is not None:
        check(lib.ahoy_request_set_idempotent, pointer, flag("idempotent", idempotent))
    if criticality is not None:
        if not isinstance(criticality, int):
            raise TypeError(f"criticality is a number from 0 to 3, and not {criticality!r}")
        # C would take what is far outside for another number; what is near the library refuses.
        if not -(2**31) <= criticality < 2**31:
            raise ValueError(f"criticality is from 0 to 3, and not {criticality!r}")
        check(lib.ahoy_request_set_criticality, pointer, criticality)
    if group is not None:
        check(lib.ahoy_request_set_group, pointer, given("group", group))
    if hash_key is not None:
        key = bytes(hash_key) if isinstance(hash_key, (bytes, bytearray, memoryview)) else given("hash_key", hash_key)
        check(lib.ahoy_request_set_hash_key, pointer, key, len(key))
    if streamed:
        check(lib.ahoy_request_set_streamed, pointer, True)
        request.streamed = True
    return request


def _encoded(json: Any) -> bytes:
    """A value as JSON, which has no NaN and no infinity."""
    try:
        text = json_module.dumps(json, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise ValueError(f"json cannot be sent: {error}") from error
    return text.encode()


def with_params(path: str, params: Params) -> str:
    """A path with the query parameters added and what a URL cannot carry encoded."""
    if not isinstance(path, str):
        raise TypeError(f"a path is text, and not {path!r}")
    path = path.partition("#")[0]
    if any(ord(c) <= 32 or ord(c) >= 127 or c in '"<>`' for c in path):
        path = quote(path, safe=_SAFE)
    if not params:
        return path
    if isinstance(params, (str, bytes)):
        query = quote(params, safe=_SAFE)
    elif isinstance(params, Iterable):
        query = _urlencoded(params)
    else:
        raise TypeError(f"params are a mapping, pairs or text, and not {params!r}")
    return f"{path}{'&' if '?' in path else '?'}{query}" if query else path


def _urlencoded(fields: Any) -> str:
    """Fields as in a query, without those that are None, as requests has them; one of several values comes several times."""
    kept = []
    for name, values in fields.items() if isinstance(fields, Mapping) else fields:
        several = isinstance(values, Iterable) and not isinstance(values, (str, bytes))
        kept += [(name, value) for value in (values if several else [values]) if value is not None]
    return urlencode(kept)


def _is_form(data: Any) -> bool:
    """Whether it is form fields, which requests takes by the same name as any other body."""
    return isinstance(data, Mapping) or (isinstance(data, (list, tuple)) and all(isinstance(one, tuple) for one in data))


def _default(fields: list[tuple[str, str]], name: str, value: str) -> None:
    if not any(key.lower() == name for key, _ in fields):
        fields.append((name, value))
