"""A pytest plugin that gives every client of httpx libahoy's transport."""

import httpx
import httpx._client

import ahoy.httpx


def made(kind):
    def transport(verify=True, cert=None, proxy=None, **_):
        options = {}
        if proxy is not None:
            proxy = httpx.Proxy(proxy) if not isinstance(proxy, httpx.Proxy) else proxy
            user, password = proxy.raw_auth or (b"", b"")
            options["proxy"] = str(proxy.url.copy_with(username=user.decode(), password=password.decode()))
        # As there: nothing is repeated, and a client may be dropped unclosed.
        return kind(retry=False, warn_unclosed=False, options=options)

    return transport


httpx._client.HTTPTransport = made(ahoy.httpx.Transport)
httpx._client.AsyncHTTPTransport = made(ahoy.httpx.AsyncTransport)
