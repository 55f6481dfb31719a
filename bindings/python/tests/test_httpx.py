"""httpx over libahoy: what httpx's users rely on."""

import asyncio
import contextlib
import json
import socket
import struct
import threading
import time
import unittest

import httpx
import trio

import ahoy.httpx
from support import PING_PONG, REFUSAL, TOO_LARGE, Served, Upload, answering, counts, early, echo, eventually, kept, ping_pong


@contextlib.contextmanager
def broken_off(answer, resets):
    """A server that gives these bytes to one request, and ends the connection once the event is set; gives its host, and it."""

    def serve():
        connection, _ = server.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(answer)
            may_end.wait(10)
            if resets:
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    may_end = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", may_end


class Transports(Served, unittest.TestCase):
    kinds = ("ok", "refuse")

    def client(self, hosts=None, **options):
        transport = ahoy.httpx.Transport(hosts or self.hosts, **options)
        client = httpx.Client(transport=transport, base_url="http://orders")
        self.addCleanup(client.close)
        return client

    def test_calls(self):
        client = self.client()
        for _ in range(4):
            self.assertEqual(client.get("/ok").text, "hello")
        seen = client.post("/echo", params={"a": "b c"}, json={"x": 1}, headers={"x-a": "1"}, auth=("u", "p")).json()
        fields = {k.lower(): v for k, v in seen["headers"]}
        self.assertEqual((seen["method"], seen["target"]), ("POST", "/echo?a=b+c"))
        self.assertEqual(json.loads(seen["body"]), {"x": 1})
        self.assertEqual((fields["x-a"], fields["authorization"]), ("1", "Basic dTpw"))
        # The host is the endpoint's own, as with any balanced client of libahoy.
        self.assertIn(fields["host"], self.hosts)

    def test_redirects_cookies_codings_are_httpx_s(self):
        client = self.client(self.hosts[:1])
        answer = client.get("/redirect?to=/ok", follow_redirects=True)
        self.assertEqual((answer.text, len(answer.history)), ("hello", 1))
        self.assertEqual(client.get("/gzip").text, "hello")

    def test_streams(self):
        client = self.client(self.hosts[:1])
        with client.stream("GET", "/drip?n=5&ms=20") as answer:
            pieces = list(answer.iter_raw())
        self.assertEqual(b"".join(pieces), b".....")
        self.assertGreater(len(pieces), 1)
        before = counts(self.ports[0])["broken_off"]
        with client.stream("GET", "/drip?n=500&ms=20") as answer:
            next(answer.iter_raw())
        eventually(lambda: counts(self.ports[0])["broken_off"] == before + 1)

    def test_a_close_waits_for_no_stream(self):
        client = self.client(self.hosts[:1])
        with client.stream("GET", "/drip?n=500&ms=20") as answer:
            next(answer.iter_raw())
            begun = time.monotonic()
            client.close()
            self.assertLess(time.monotonic() - begun, 2)

    def test_uploads(self):
        client = self.client(self.hosts[:1])
        self.assertEqual(client.post("/body", content=iter([b"a", b"b"])).content, b"ab")
        answer = client.post("/body", files={"f": ("n.txt", b"content")})
        self.assertIn(b"content", answer.content)

    def test_fields_of_an_answer_need_not_be_ascii(self):
        value = 'attachment; filename="r\xe9sum\xe9.pdf"'.encode("latin-1")
        with answering(b"HTTP/1.1 200 OK\r\ncontent-disposition: " + value + b"\r\ncontent-length: 2\r\n\r\nok") as (host, _):
            raw = self.client([host]).get("/").headers.raw
            self.assertIn((b"content-disposition", value), raw)

            async def asked():
                async with httpx.AsyncClient(transport=ahoy.httpx.AsyncTransport([host]), base_url="http://orders") as client:
                    return (await client.get("/")).headers.raw

            self.assertEqual(asyncio.run(asked()), raw)

    def test_exceptions_are_httpx_s(self):
        with self.assertRaises(httpx.ConnectError) as caught:
            self.client(self.hosts[1:]).get("/ok")
        self.assertIsInstance(caught.exception.__cause__, ahoy.Error)
        with self.assertRaises(httpx.ReadTimeout):
            self.client(self.hosts[:1]).get("/slow?ms=5000", timeout=0.1)
        with self.assertRaises(httpx.RemoteProtocolError):
            self.client(self.hosts[:1], retry=False).get("/cut")

    def test_a_reset_is_told_from_an_end_as_httpx_tells_it(self):
        lacking = b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nfirst"
        for resets, expected in ((True, httpx.ReadError), (False, httpx.RemoteProtocolError)):
            for made in (httpx.HTTPTransport, lambda: ahoy.httpx.Transport(retry=False)):
                with self.subTest(resets=resets, made=made), httpx.Client(transport=made()) as client:
                    with broken_off(b"", resets) as (host, may_end):
                        may_end.set()
                        with self.assertRaises(httpx.TransportError) as caught:
                            client.get(f"http://{host}/")
                        self.assertIs(type(caught.exception), expected)
                    with broken_off(lacking, resets) as (host, may_end), client.stream("GET", f"http://{host}/") as answer:
                        may_end.set()
                        with self.assertRaises(httpx.TransportError) as caught:
                            answer.read()
                        self.assertIs(type(caught.exception), expected)

    def test_a_reset_of_an_asynchronous_answer(self):
        async def broken(host, may_end):
            async with httpx.AsyncClient(transport=ahoy.httpx.AsyncTransport(retry=False)) as client:
                async with client.stream("GET", f"http://{host}/") as answer:
                    may_end.set()
                    await answer.aread()

        with broken_off(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nfirst", True) as server:
            self.assertRaises(httpx.ReadError, asyncio.run, broken(*server))

    def in_each_loop(self, work):
        asyncio.run(work(asyncio))
        trio.run(work, trio)

    def test_an_asynchronous_upload_goes_on_beside_its_answer(self):
        def client(host):
            return httpx.AsyncClient(transport=ahoy.httpx.AsyncTransport([host]), base_url="http://orders")

        async def work(loop):
            async def pieces():
                for _ in range(100):
                    await loop.sleep(0)
                    yield b"x" * 65536

            with echo() as (host, _):
                async with client(host) as sender:
                    self.assertEqual(len((await sender.post("/", content=pieces())).content), 100 * 65536)
            with echo() as (host, _):
                async with client(host) as sender:
                    self.assertEqual(await ping_pong(sender.stream, lambda r: r.aiter_raw(), loop.Event), PING_PONG)
            for endless in (False, True):
                body = Upload(loop.sleep, endless)
                with early(REFUSAL) as (host, _):
                    async with client(host) as sender:
                        answer = await sender.post("/", content=body)
                        self.assertEqual((answer.status_code, answer.content), (413, TOO_LARGE))
                        self.assertTrue(await body.closes())

        self.in_each_loop(work)

    def test_an_asynchronous_upload_ends_with_its_answer(self):
        async def work(loop):
            with echo() as (host, _):
                body = Upload(loop.sleep)
                async with httpx.AsyncClient(transport=ahoy.httpx.AsyncTransport([host]), base_url="http://orders") as client:
                    async with client.stream("POST", "/", content=body):
                        self.assertFalse(body.closed)
                    self.assertTrue(await body.closes())

        self.in_each_loop(work)

    def test_limits_of_call_and_transport(self):
        def limits(limit, content=None, **options):
            transport = ahoy.httpx.Transport(self.hosts, **options)
            self.addCleanup(transport.close)
            extensions = {} if limit is None else {"timeout": limit.as_dict()}
            request = httpx.Request("POST", "http://orders/", content=content, extensions=extensions)
            found = ahoy.httpx._limits(request, transport._own)
            return found and (found["timeout"], found["idle_timeout"])

        forever, times = float("inf"), httpx.Timeout
        self.assertEqual(limits(None, timeout=1), {})
        self.assertEqual(limits(times(5)), (5, 5))
        self.assertEqual(limits(times(5), timeout=1), (1, 5))
        self.assertEqual(limits(times(5), timeout=30), (5, 5))
        self.assertEqual(limits(times(5), options={"timeout": "1m30s"}), (5, 5))
        self.assertEqual(limits(times(5), options={"timeout": "1500ms"}), (1.5, 5))
        self.assertEqual(limits(times(None)), (forever, forever))
        self.assertEqual(limits(times(None), timeout=30), (30, forever))
        self.assertEqual(limits(times(10, read=None)), (forever, forever))
        self.assertEqual(limits(times(1, connect=None)), (1, 1))
        self.assertEqual(limits(times(1, connect=3)), (3, 1))
        # What is drawn while it is sent takes time of its own.
        self.assertEqual(limits(times(5, write=2), content=iter([b"a"])), (7, 5))
        self.assertEqual(limits(times(5, write=2), content=b"a"), (5, 5))
        with self.assertRaises(httpx.ReadTimeout):
            self.client(self.hosts[:1], timeout=0.1).get("/slow?ms=5000")

    def test_a_host_of_the_call_is_sent(self):
        client = self.client(self.hosts[:1])
        for headers, host in (({}, self.hosts[0]), ({"Host": "shop.example"}, "shop.example"), ({"Host": "orders"}, self.hosts[0])):
            fields = dict(client.get("/echo", headers=headers).json()["headers"])
            self.assertEqual({k.lower(): v for k, v in fields.items()}["host"], host)

    def test_another_protocol_is_refused(self):
        with self.assertRaisesRegex(httpx.LocalProtocolError, "Upgrade"):
            self.client().get("/ok", headers={"Connection": "Upgrade", "Upgrade": "websocket"})

    def test_fields_and_lengths_are_the_program_s(self):
        client = self.client(self.hosts[:1])
        seen = client.post("/echo", files={"f": ("n.txt", b"content")}, headers={"x-text": b"na\xefve"}).json()
        fields = {k.lower(): v for k, v in seen["headers"]}
        self.assertEqual((fields["x-text"], int(fields["content-length"])), ("na\xefve", len(seen["body"])))
        seen = client.post("/echo", content=iter([b"a", b"b"])).json()
        self.assertNotIn("content-length", {k.lower() for k, _ in seen["headers"]})

        def raises():
            yield b"a"
            raise ZeroDivisionError

        before = kept()
        for _ in range(5):
            with self.assertRaises(ZeroDivisionError):
                client.post("/body", content=raises())
        self.assertLessEqual(kept(), before)
        with self.assertRaises(httpx.UnsupportedProtocol):
            with httpx.Client(transport=ahoy.httpx.Transport()) as other:
                other.get("ftp://127.0.0.1/")

    def test_a_configuration_names_the_hosts(self):
        client = httpx.Client(transport=ahoy.httpx.Transport(config={"hosts": self.hosts}), base_url="http://orders")
        self.addCleanup(client.close)
        self.assertEqual(client.get("/ok").text, "hello")

    def test_absolute_urls(self):
        with httpx.Client(transport=ahoy.httpx.Transport()) as client:
            answer = client.get(f"http://{self.hosts[0]}/ok")
            (attempt,) = answer.extensions["ahoy_attempts"]
            self.assertEqual((answer.text, answer.http_version, attempt.http_status), ("hello", "HTTP/1.1", 200))
            self.assertEqual((attempt.protocol, attempt.remote_address), ("HTTP/1.1", self.hosts[0]))

    def test_asyncio(self):
        async def main():
            transport = ahoy.httpx.AsyncTransport(self.hosts)
            async with httpx.AsyncClient(transport=transport, base_url="http://orders") as client:
                answers = await asyncio.gather(*(client.get("/ok") for _ in range(20)))
                self.assertEqual({a.text for a in answers}, {"hello"})
                async with client.stream("GET", "/drip?n=5&ms=20") as answer:
                    self.assertEqual(await answer.aread(), b".....")
                with self.assertRaises(httpx.ReadTimeout):
                    await client.get("/slow?ms=5000", timeout=0.1)

        asyncio.run(main())


if __name__ == "__main__":
    unittest.main()
