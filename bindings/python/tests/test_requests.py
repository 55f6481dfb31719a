"""requests over libahoy: what its users rely on."""

import array
import gc
import io
import os
import pathlib
import pickle
import tempfile
import time
import unittest
import unittest.mock
import weakref

import requests
import urllib3

import ahoy.requests
from support import Served, answering, counts, eventually, kept, live_pipe


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

    def test_a_close_waits_for_no_stream(self):
        session = self.session(self.hosts[:1])
        with session.get("http://orders/drip?n=30&ms=5", stream=True) as answer:
            begun = time.monotonic()
            session.close()
            self.assertLess(time.monotonic() - begun, 2)
            # As with requests' own adapter, an answer outlives its session, which may be used again.
            self.assertEqual(answer.content, b"." * 30)
        self.assertEqual(session.get("http://orders/ok").text, "hello")

    def test_a_close_ends_a_client_that_was_given(self):
        session, client = requests.Session(), ahoy.Client(self.hosts[:1])
        session.mount("http://", ahoy.requests.Adapter(client=client))
        with session.get("http://orders/drip?n=2&ms=20000", stream=True) as answer:
            begun = time.monotonic()
            session.close()
            self.assertLess(time.monotonic() - begun, 2)
            with self.assertRaises(requests.exceptions.ChunkedEncodingError):
                answer.content
        with self.assertRaises(ahoy.ClosedError):
            client.get("/ok")

    def test_authorities_of_a_call_are_refused(self):
        session = self.session(self.hosts[:1])
        session.mount("https://", session.adapters["http://"])
        with self.assertRaises(requests.exceptions.InvalidSchema):
            session.get("https://orders/ok", verify="/no/such.pem")
        # As there, it means nothing to a URL of http.
        self.assertEqual(session.get("http://orders/ok", verify="/no/such.pem").text, "hello")
        with unittest.mock.patch.dict("os.environ", {"REQUESTS_CA_BUNDLE": "/some.pem"}):
            self.assertEqual(session.get("https://orders/ok").text, "hello")

    def test_uploads(self):
        session = self.session(self.hosts[:1])
        self.assertEqual(session.post("http://orders/body", data=iter([b"a", b"b"])).content, b"ab")
        self.assertEqual(session.put("http://orders/body", data=io.BytesIO(b"file")).content, b"file")
        self.assertIn(b"content", session.post("http://orders/body", files={"f": io.BytesIO(b"content")}).content)
        for body in (bytearray(b"bytes"), memoryview(b"bytes"), array.array("b", b"bytes")):
            self.assertEqual(session.post("http://orders/body", data=body).content, b"bytes")

    def test_what_is_live_is_sent_as_it_comes(self):
        with live_pipe() as (host, file, late):
            self.assertEqual(self.session([host]).post("http://orders/", data=file).status_code, 200)
        self.assertEqual(late, [])

    def test_fields_of_an_answer_are_read_as_requests_reads_them(self):
        answer = "HTTP/1.1 200 OK\r\nx-name: caf\xe9\r\ncontent-length: 0\r\n\r\n"
        for coding in ("latin-1", "utf-8"):
            with answering(answer.encode(coding)) as (host, _):
                through = self.session([host]).get("http://orders/")
                theirs = requests.get(f"http://{host}/")
            self.assertEqual(through.headers["x-name"], theirs.headers["x-name"])

    def test_exceptions_are_requests_s(self):
        with self.assertRaises(requests.ConnectionError):
            self.session(self.hosts[1:]).get("http://orders/ok")
        with self.assertRaises(requests.ReadTimeout):
            self.session(self.hosts[:1]).get("http://orders/slow?ms=5000", timeout=(0.05, 0.1))
        with self.assertRaises(requests.exceptions.ChunkedEncodingError):
            self.session(self.hosts[:1], retry=False).get("http://orders/cut")
        with self.assertRaises(requests.exceptions.InvalidSchema):
            self.session().get("http://orders/ok", verify=False)
        with self.assertRaises(requests.exceptions.InvalidHeader):
            self.session().get("http://orders/ok", headers={"Connection": "Upgrade", "Upgrade": "websocket"})
        with self.assertRaises(ValueError):
            self.session().get("http://orders/ok", timeout=(1, 2, 3))

    def test_limits_are_near_those_of_requests(self):
        forever, timeout = float("inf"), urllib3.Timeout
        for given, head, piece in (
            (1, 1, 1),
            ((0.5, 2), 2, 2),
            ((3, 2), 3, 2),
            ((None, 0.1), 0.1, 0.1),
            ((2, None), forever, forever),
            (timeout(read=1), 1, 1),
            (timeout(connect=1), forever, forever),
            (timeout(total=3), 3, 3),
            (timeout(total=3, read=1), 3, 1),
            (timeout(total=1, connect=3, read=2), 1, 1),
        ):
            limits = ahoy.requests._limits(given)
            self.assertEqual((limits["timeout"], round(limits["idle_timeout"], 1)), (head, piece), given)
        self.assertEqual(ahoy.requests._limits(None), {})
        answer = self.session(self.hosts[:1]).get("http://orders/ok", timeout=timeout(total=3))
        self.assertEqual(answer.text, "hello")

    def test_uploads_that_raise_leave_nothing(self):
        session = self.session(self.hosts[:1])

        def fails():
            yield b"first"
            raise ZeroDivisionError

        before = kept()
        for _ in range(5):
            with self.assertRaises(ZeroDivisionError):
                session.post("http://orders/body", data=fails())
        self.assertLessEqual(kept(), before)

    def test_cookies_and_who_answered(self):
        session = self.session(self.hosts[:1])
        answer = session.get("http://orders/cookie")
        self.assertEqual((session.cookies["a"], answer.cookies["a"], answer.reason), ("1", "1", "OK"))
        self.assertIs(answer.connection, session.adapters["http://"])
        fields = {k.lower(): v for k, v in session.get("http://orders/echo").json()["headers"]}
        self.assertEqual(fields["cookie"], "a=1")

    def test_pieces_without_a_length_come_at_once(self):
        session = self.session(self.hosts[:1])
        with session.get("http://orders/drip?n=5&ms=30&chunked=1", stream=True) as answer:
            pieces = list(answer.iter_content(1000))
        self.assertEqual(b"".join(pieces), b".....")
        self.assertGreater(len(pieces), 1)
        self.assertEqual(session.get("http://orders/drip?n=5&ms=1&chunked=1").text, ".....")

    def test_pieces_of_any_length_end(self):
        session = self.session(self.hosts[:1])
        for path, body in (("drip?n=5&ms=1&chunked=1", b"....."), ("drip?n=5&ms=1", b"....."), ("gzip", b"hello"), ("cookie", b"")):
            with session.get(f"http://orders/{path}", stream=True) as answer:
                self.assertEqual(b"".join(answer.iter_content(None)), body)

    def test_fields_are_bytes_as_the_program_has_them(self):
        session = self.session(self.hosts[:1])
        sent = {"x-text": "na\xefve", "x-bytes": "n\xe9".encode()}
        fields = {k.lower(): v for k, v in session.get("http://orders/echo", headers=sent).json()["headers"]}
        self.assertEqual((fields["x-text"], fields["x-bytes"]), ("na\xefve", "n\xc3\xa9"))

    def test_a_file_has_its_length_and_its_place(self):
        session = self.session(self.hosts[:1])
        file = io.BytesIO(b"skipped" + b"x" * 100_000)
        file.seek(7)
        seen = session.put("http://orders/echo", data=file).json()
        fields = {k.lower(): v for k, v in seen["headers"]}
        self.assertEqual((fields["content-length"], len(seen["body"])), ("100000", 100_000))
        self.assertNotIn("transfer-encoding", fields)

    def test_a_configuration_names_the_hosts(self):
        session = requests.Session()
        session.mount("http://", ahoy.requests.Adapter(config={"hosts": self.hosts, "timeout": "5s"}))
        self.addCleanup(session.close)
        self.assertEqual(session.get("http://orders/ok").text, "hello")


class AnyUrl(Served, unittest.TestCase):
    """The adapter without hosts, in place of requests' own."""

    kinds = ("ok", "refuse", "service")

    def session(self):
        session = requests.Session()
        session.trust_env = False
        session.mount("http://", ahoy.requests.Adapter())
        self.addCleanup(session.close)
        return session

    def test_an_answer_outlives_its_session(self):
        with self.session() as session:
            answer = session.get(f"http://{self.hosts[0]}/drip?n=30&ms=5", stream=True)
        self.assertEqual(answer.content, b"." * 30)
        self.assertEqual(session.get(f"http://{self.hosts[0]}/ok").text, "hello")

    def test_proxies(self):
        session = self.session()
        seen = session.get("http://nowhere.invalid/echo?a=1", proxies={"http": self.hosts[0]}).json()
        self.assertEqual(seen["target"], "http://nowhere.invalid/echo?a=1")
        with self.assertRaises(requests.exceptions.ProxyError):
            session.get("http://nowhere.invalid/", proxies={"http": f"http://{self.hosts[1]}"})
        with self.assertRaises(requests.exceptions.InvalidProxyURL):
            session.get("http://nowhere.invalid/", proxies={"http": "http://"})

    def test_authorities_and_credentials(self):
        session = self.session()
        session.mount("https://", session.adapters["http://"])
        with self.assertRaises(requests.exceptions.InvalidSchema):
            session.get(f"https://{self.hosts[0]}/", verify=False)
        with self.assertRaises(OSError):
            session.get(f"https://{self.hosts[0]}/", verify="/no/such.pem")
        with self.assertRaises(OSError):
            session.get(f"https://{self.hosts[0]}/", cert="/no/such.pem")
        fields = {k.lower(): v for k, v in session.get(f"http://u:p@{self.hosts[0]}/echo").json()["headers"]}
        self.assertEqual(fields["authorization"], "Basic dTpw")

    def test_authorities_that_are_renewed_at_their_place(self):
        whole = pathlib.Path(requests.certs.where()).read_text()
        ones = [begun + "-----END CERTIFICATE-----\n" for begun in whole.split("-----END CERTIFICATE-----")[:2]]
        adapter = ahoy.requests.Adapter()
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder, "ca.pem")
            for named in (str(file), folder):
                file.write_text(ones[0])
                first = adapter._client_of(named, None, None)
                self.assertIs(adapter._client_of(named, None, None), first)
                before = file.stat()
                file.write_text(ones[1])
                # As where it is written within one tick of the clock.
                os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns + 1))
                self.assertIsNot(adapter._client_of(named, None, None), first)

    def test_clients_that_were_not_used_for_long_end_with_their_last_answer(self):
        def get(number, **options):
            proxies = {"http": f"http://user-{number}:x@{self.hosts[0]}"}
            return session.get("http://nowhere.invalid/drip?n=30&ms=5", proxies=proxies, **options)

        session = self.session()
        adapter = session.adapters["http://"]
        clients = []
        read = get(0, stream=True)
        clients.append(weakref.ref(*adapter._clients.values()))
        get(1)
        clients.append(weakref.ref(list(adapter._clients.values())[1]))
        for number in range(2, 9):
            get(number)
        get(2)
        get(9)
        gc.collect()
        self.assertEqual([client() is None for client in clients], [False, True])
        self.assertEqual(read.content, b"." * 30)
        del read
        gc.collect()
        self.assertIsNone(clients[0]())
        self.assertEqual(len(adapter._clients), 8)
        self.assertIn("user-2:", str(list(adapter._clients)[-2]))

    def test_it_is_pickled_without_hosts(self):
        adapter = pickle.loads(pickle.dumps(ahoy.requests.Adapter(timeout=3)))
        self.assertEqual(adapter.client.settings["timeout"], "3s")
        with self.assertRaises(TypeError), ahoy.requests.Adapter(self.hosts).client as client:
            pickle.dumps(ahoy.requests.Adapter(client=client))


if __name__ == "__main__":
    unittest.main()
