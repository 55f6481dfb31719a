"""A Session for one host, whose calls take paths."""

from __future__ import annotations

from typing import Any

from ..http import SessionProxy


class ServiceDiscoveryHttpClient(SessionProxy):
    """Puts protocol, address and port before each path. Port 443 is https, any other http."""

    def __init__(self, host: Any, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._host = host

    @property
    def host(self) -> Any:
        """The host."""
        return self._host

    @property
    def address(self) -> str:
        """Its name or address."""
        return str(self._host.address)

    @property
    def port(self) -> Any:
        """Its port."""
        return self._host.port

    @property
    def protocol(self) -> str:
        """`http` or `https`."""
        return self.calculate_protocol(self.port)

    def calculate_protocol(self, port: Any) -> str:
        """The protocol by the port."""
        return "https" if str(port) == "443" else "http"

    @property
    def url(self) -> str:
        """What stands before a path."""
        return f"{self.protocol}://{self.address}" + (f":{self.port}" if self.port else "")

    # Callbacks get this object before what SessionProxy gives them.
    def pre_callback(self, url: str) -> str:
        return self.url + url if self._pre is None else self._pre(self, url)  # type: ignore[call-arg, arg-type]

    def post_callback(self, result: Any) -> Any:
        return result if self._post is None else self._post(self, result)  # type: ignore[call-arg]

    def exception_callback(self, error: Exception) -> Any:
        if self._exc is None:
            raise error
        return self._exc(self, error)  # type: ignore[call-arg, arg-type]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ServiceDiscoveryHttpClient) and self.host == other.host

    def __hash__(self) -> int:
        return hash(self._host)
