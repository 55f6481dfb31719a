"""Programs of the package ahoyhoy: its documentation as it stands there, with another import and hosts of loopback."""

import doctest
import re
import unittest
import warnings

import requests

import ahoy.ahoyhoy
from ahoy.ahoyhoy import (
    Ahoyhoy500Exception,
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
from support import HERE, Served, counts


def setUpModule():
    # The documentation closes no Session, and neither do most programs.
    warnings.simplefilter("ignore", ResourceWarning)


class Documentation(Served, unittest.TestCase):
    """recipes/ has the pages and docstrings of ahoyhoy 4.0.2 that show programs, unchanged."""

    kinds = ("service", "refuse", "refuse", "refuse", "refuse")
    names = ("google.com", "badhost2.bla", "badhost3.bla", "google1.com1", "google2.com2")

    def here(self, text):
        """The text with another import, and hosts and ports of loopback."""
        text = re.sub(r"\bfrom ahoyhoy\b", "from ahoy.ahoyhoy", text)
        for name, port in zip(self.names, self.ports):
            text = re.sub(rf"'{name}', ('?)(?:80|443)\b", rf"'127.0.0.1', \g<1>{port}", text)
            text = re.sub(rf"'{name}', port=('?)80\b", rf"'127.0.0.1', port=\g<1>{port}", text)
        text = text.replace("address='google...', port='80'", "address='127...', port='...'")
        text = text.replace("http://google.com", f"http://127.0.0.1:{self.ports[0]}")
        return re.sub(r"http://(wwwwww\.google\.com|google1\.com)", f"http://127.0.0.1:{self.ports[1]}", text)

    def test_it_runs(self):
        ran = 0
        for page in sorted((HERE / "recipes").glob("*.rst")):
            # Each docstring is a program of its own, and sees the names of its module.
            parts = re.split(r"\n\n(?=ahoyhoy\.)", page.read_text())
            for part in parts:
                said = []
                names = {name: getattr(ahoy.ahoyhoy, name) for name in ahoy.ahoyhoy.__all__}
                test = doctest.DocTestParser().get_doctest(self.here(part), names, part.split()[0], page.name, 0)
                failed, tried = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS).run(test, out=said.append)
                self.assertEqual(failed, 0, "".join(said))
                ran += tried
        self.assertGreater(ran, 100)


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
        self.assertTrue(endpoint.is_open() and not endpoint.is_closed() and not endpoint.available)
        with self.assertRaises(RuntimeError):
            endpoint.open()
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
        self.assertTrue(endpoint.is_open())

    def test_own_provider_and_own_balancer(self):
        test = self

        class Mine(IProvider):
            def get_list(self):
                return [test.failing, test.good]

        class Last(ILoadBalancer):
            def _choose_next(self, count):
                return count - 1

        class AsThere(ILoadBalancer):
            def _choose_next(self):
                return self.get_or_create_endpoint(self._up[-1])

        for balancer in (Last, AsThere):
            client = LBClientBuilder().add_lb(balancer(Mine())).build()
            self.assertEqual(client.get("/ok").status_code, 200)
            self.assertEqual(balancer(Mine()).pick().host, self.good)

    def test_nothing_left(self):
        client = LBClientBuilder().add_lb(RoundRobinLB(ListProvider(self.bad, self.bad2))).build()
        with self.assertRaises(ClientNoEndpointsException):
            client.get("/ok")

    def test_an_answer_of_5xx_goes_elsewhere_and_is_not_hammered(self):
        client = LBClientBuilder().add_lb(RoundRobinLB(ListProvider(self.failing))).build()
        before = sum(counts(self.failing.port)["requests"].values())
        self.assertEqual(client.get("/ok").status_code, 503)
        self.assertLessEqual(sum(counts(self.failing.port)["requests"].values()) - before, 3)

    def test_an_endpoint_raises_a_5xx(self):
        endpoint = Endpoint(self.failing)
        with self.assertRaises(Ahoyhoy500Exception):
            endpoint.get("/ok")
        self.assertTrue(endpoint.is_closed())

    def test_redirects_cookies_and_the_session_of_the_program(self):
        session = requests.Session()
        session.headers["x-program"] = "1"
        before = dict(session.adapters)
        client = LBClientBuilder().add_lb(self.balancer()).add_session(session).add_headers({"x-client": "2"}).build()
        self.assertEqual(client.get("/redirect?to=/ok").text, "hello")
        fields = dict(client.get("/echo").json()["headers"])
        self.assertEqual((fields["x-program"], fields["x-client"]), ("1", "2"))
        self.assertNotIn("x-client", session.headers)
        self.assertEqual(dict(session.adapters), before)

    def test_retries_of_ones_own(self):
        tried = []

        def twice(function, fargs, fkwargs, word):
            tried.append(word)
            return function(*fargs, **fkwargs)

        retries = Retry(retry_func=twice, word="again")
        client = LBClientBuilder().add_lb(self.balancer()).add_retries(retries).build()
        self.assertEqual(client.get("/ok").text, "hello")
        self.assertEqual(tried, ["again"])
        calls = []

        def fails():
            calls.append(1)
            raise ValueError

        with self.assertRaises(ValueError):
            Retry(exceptions=ValueError, tries=3)(fails)
        self.assertEqual(len(calls), 3)

    def test_calls_of_every_kind(self):
        client = LBClientBuilder().add_lb(self.balancer()).build()
        for name in ("get", "options", "post", "put", "patch", "delete"):
            self.assertEqual(getattr(client, name)("/echo").json()["method"], name.upper())
        self.assertEqual(client.head("/ok").status_code, 200)
        with self.assertRaises(AttributeError):
            client.headers


if __name__ == "__main__":
    unittest.main()
