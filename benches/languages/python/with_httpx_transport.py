"""httpx with libahoy below."""

import httpx

import ahoy.httpx


class Orders:
    def __init__(self, hosts):
        self.client = httpx.Client(
            transport=ahoy.httpx.Transport(hosts, timeout=2), base_url="http://orders", timeout=None
        )

    def orders(self):
        answer = self.client.get("/orders")
        answer.raise_for_status()
        return answer.json()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.client.close()
