"""A Session of requests with callbacks around its calls."""

from __future__ import annotations

import functools
from typing import Any, Callable

import requests

HTTP_CALLS = ("get", "options", "post", "put", "head", "patch", "delete")


class SessionProxy:
    """Passes everything on to a Session. A call gets its URL from `pre_callback`, and its result from `post_callback`;
    what it raises goes to `exception_callback`.
    """

    HTTP_CALLS = HTTP_CALLS

    def __init__(
        self,
        session: Any = None,
        pre_callback: Callable[[str], str] | None = None,
        post_callback: Callable[[Any], Any] | None = None,
        exception_callback: Callable[[Exception], Any] | None = None,
    ) -> None:
        self._session = requests.Session() if session is None else session
        self._pre, self._post, self._exc = pre_callback, post_callback, exception_callback

    def __getattr__(self, name: str) -> Any:
        if name == "_session":
            raise AttributeError(name)
        found = getattr(self._session, name)
        if name not in HTTP_CALLS:
            return found

        @functools.wraps(found)
        def call(url: str, *arguments: Any, **options: Any) -> Any:
            result = None
            url = self.pre_callback(url)
            try:
                result = found(url, *arguments, **options)
            except Exception as error:
                self.exception_callback(error)
            return self.post_callback(result)

        return call

    def pre_callback(self, url: str) -> str:
        """The URL that is asked for."""
        return url if self._pre is None else self._pre(url)

    def post_callback(self, result: Any) -> Any:
        """What a call gives."""
        return result if self._post is None else self._post(result)

    def exception_callback(self, error: Exception) -> Any:
        """Where an exception goes; raises it by default."""
        if self._exc is None:
            raise error
        return self._exc(error)
