"""The documented recipes of the package ahoyhoy, with another import and hosts of loopback."""

import unittest

import requests

from ahoy.ahoyhoy import (
    ClientNoEndpointsException,
    Endpoint,
    Host,
    ILoadBalancer,
    IProvider,
    LBClientBuilder,
    LbNoEndpointsException,
    ListProvider,
    RandomLB,
    Retry,
    RoundRobinLB,
    SessionClientBuilder,
    SimpleClient,
)
from support import Served, counts


class Recipes(Served, unittest.TestCase):
    kinds = ("refuse", "ok", "refuse", "503")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.bad, cls.good, cls.bad2, cls.failing = (Host("127.0.0.1", port) for port in cls.ports)

    def balancer(self):
        return RoundRobinLB(ListProvider(self.bad, self.good, self.bad2))

    def test_round_robin(self):
        client = LBClientBuilder().add_lb(self.balancer()).build()
        for _ in range(3):
            self.assertEqual(repr(client.get("/ok")), "<Response [200]>")

    def test_custom_session(self):
        session = requests.Session()
        session.headers.update({"bla": "foo"})
        client = LBClientBuilder().add_lb(self.balancer()).add_session(session).build()
        fields = dict(client.get("/echo").json()["headers"])
        self.assertEqual(fields["bla"], "foo")

    def test_retries(self):
        retries = Retry(
            exceptions=requests.exceptions.ConnectTimeout, tries=3, delay=0, max_delay=None, backoff=2, jitter=0
        )
        client = LBClientBuilder().add_lb(RoundRobinLB(ListProvider(self.good))).add_retries(retries).build()
        self.assertEqual(client.get("/flaky?n=2&key=retries").status_code, 200)

    def test_endpoint_updates(self):
        client = LBClientBuilder().add_lb(self.balancer()).set_endpoint_updates(3).build()
        self.assertEqual(client.get("/ok").status_code, 200)

    def test_headers(self):
        client = LBClientBuilder().add_lb(self.balancer()).add_headers({"x-a": "1"}).build()
        self.assertEqual(dict(client.get("/echo").json()["headers"])["x-a"], "1")

    def test_session_client(self):
        session = requests.Session()
        client = SessionClientBuilder().add_session(session).build()
        self.assertEqual(client.get(f"http://127.0.0.1:{self.good.port}/ok").status_code, 200)
        self.assertEqual(SimpleClient().get(f"http://127.0.0.1:{self.good.port}/ok").status_code, 200)

    def test_random_with_a_function_of_its_own(self):
        balancer = RandomLB(ListProvider(self.good, self.failing), random_function=lambda *_: 0)
        self.assertEqual({balancer.pick().host for _ in range(5)}, {self.good})

    def test_pick_and_circuit(self):
        balancer = RoundRobinLB(ListProvider(self.good))
        endpoint = balancer.pick()
        self.assertEqual(endpoint.get("/ok").status_code, 200)
        endpoint.open()
        self.assertTrue(endpoint.is_open and not endpoint.available)
        with self.assertRaises(RuntimeError):
            endpoint.get("/ok")
        with self.assertRaises(LbNoEndpointsException):
            balancer.pick()
        endpoint.close()
        self.assertEqual(balancer.pick(), endpoint)

    def test_an_endpoint_opens_by_itself(self):
        endpoint = Endpoint(self.bad)
        with self.assertRaises(requests.exceptions.ConnectionError):
            endpoint.get("/ok")
        self.assertTrue(endpoint.is_open)

    def test_own_provider_and_own_balancer(self):
        test = self

        class Mine(IProvider):
            def get_list(self):
                return [test.failing, test.good]

        class Last(ILoadBalancer):
            def _choose_next(self, count):
                return count - 1

        client = LBClientBuilder().add_lb(Last(Mine())).build()
        self.assertEqual(client.get("/ok").status_code, 200)

    def test_nothing_left(self):
        client = LBClientBuilder().add_lb(RoundRobinLB(ListProvider(self.bad, self.bad2))).build()
        with self.assertRaises(ClientNoEndpointsException):
            client.get("/ok")

    def test_an_answer_of_5xx_goes_elsewhere_and_is_not_hammered(self):
        client = LBClientBuilder().add_lb(RoundRobinLB(ListProvider(self.failing))).build()
        before = sum(counts(self.failing.port)["requests"].values())
        self.assertEqual(client.get("/ok").status_code, 503)
        self.assertLessEqual(sum(counts(self.failing.port)["requests"].values()) - before, 3)

    def test_calls_of_every_kind(self):
        client = LBClientBuilder().add_lb(self.balancer()).build()
        for name in ("get", "options", "post", "put", "patch", "delete"):
            self.assertEqual(getattr(client, name)("/echo").json()["method"], name.upper())
        self.assertEqual(client.head("/ok").status_code, 200)
        with self.assertRaises(AttributeError):
            client.headers


if __name__ == "__main__":
    unittest.main()
