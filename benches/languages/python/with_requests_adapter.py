"""requests with libahoy below."""

import threading

import requests

import ahoy.requests


class Orders:
    def __init__(self, hosts):
        self.adapter = ahoy.requests.Adapter(hosts, timeout=2)
        self.local = threading.local()

    def session(self):
        if not hasattr(self.local, "session"):
            self.local.session = requests.Session()
            self.local.session.mount("http://orders", self.adapter)
        return self.local.session

    def orders(self):
        answer = self.session().get("http://orders/orders")
        answer.raise_for_status()
        return answer.json()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.adapter.close()
