"""What calls take by name, for type checkers alone: Python itself needs no typing_extensions."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import Any, Union

    from typing_extensions import TypedDict, Unpack

    from .headers import Auth, HeaderInput
    from .request import Content, Data, Key, Params

    class BodyOptions(TypedDict, total=False):
        """What `post` takes, where the body has a place of its own."""

        params: Params
        headers: HeaderInput
        data: Data
        json: Any
        auth: Auth
        timeout: Union[float, None]
        attempt_timeout: Union[float, None]
        idempotent: Union[bool, None]
        criticality: Union[int, None]
        group: Union[str, None]
        hash_key: Union[Key, None]

    class CallOptions(BodyOptions, total=False):
        """What `request` takes."""

        content: Content

    class StreamOptions(CallOptions, total=False):
        """What `stream` takes."""

        idle_timeout: Union[float, None]

    __all__ = ["BodyOptions", "CallOptions", "StreamOptions", "Unpack"]
