"""requests over libahoy: what its users rely on."""

import io
import unittest

import requests

import ahoy.requests
from support import Served, counts, eventually


class Adapted(Served, unittest.TestCase):
    kinds = ("ok", "refuse")

    def session(self, hosts=None, **options):
        session = requests.Session()
        session.mount("http://", ahoy.requests.Adapter(hosts or self.hosts, **options))
        self.addCleanup(session.close)
        return session

    def test_calls(self):
        session = self.session()
        for _ in range(4):
            self.assertEqual(session.get("http://orders/ok").text, "hello")
        answer = session.post("http://orders/echo", params={"a": "b c"}, json={"x": 1}, auth=("u", "p"))
        fields = {k.lower(): v for k, v in answer.json()["headers"]}
        self.assertEqual((answer.json()["target"], answer.json()["body"]), ("/echo?a=b+c", '{"x": 1}'))
        self.assertEqual(fields["authorization"], "Basic dTpw")
        self.assertEqual(len(answer.ahoy_attempts), 1)

    def test_redirects_and_codings(self):
        session = self.session(self.hosts[:1])
        answer = session.get("http://orders/redirect?to=/ok")
        self.assertEqual((answer.text, [r.status_code for r in answer.history]), ("hello", [302]))
        self.assertEqual(session.get("http://orders/gzip").text, "hello")

    def test_streams(self):
        session = self.session(self.hosts[:1])
        with session.get("http://orders/drip?n=5&ms=10", stream=True) as answer:
            self.assertEqual(b"".join(answer.iter_content(1)), b".....")
        before = counts(self.ports[0])["broken_off"]
        with session.get("http://orders/drip?n=500&ms=20", stream=True) as answer:
            next(answer.iter_content(1))
        eventually(lambda: counts(self.ports[0])["broken_off"] == before + 1)

    def test_uploads(self):
        session = self.session(self.hosts[:1])
        self.assertEqual(session.post("http://orders/body", data=iter([b"a", b"b"])).content, b"ab")
        self.assertEqual(session.put("http://orders/body", data=io.BytesIO(b"file")).content, b"file")
        self.assertIn(b"content", session.post("http://orders/body", files={"f": io.BytesIO(b"content")}).content)

    def test_exceptions_are_requests_s(self):
        with self.assertRaises(requests.ConnectionError):
            self.session(self.hosts[1:]).get("http://orders/ok")
        with self.assertRaises(requests.ReadTimeout):
            self.session(self.hosts[:1]).get("http://orders/slow?ms=5000", timeout=(0.05, 0.1))
        with self.assertRaises(requests.exceptions.ChunkedEncodingError):
            self.session(self.hosts[:1], retry=False).get("http://orders/cut")
        with self.assertRaises(requests.exceptions.InvalidSchema):
            self.session().get("http://orders/ok", verify=False)


if __name__ == "__main__":
    unittest.main()
