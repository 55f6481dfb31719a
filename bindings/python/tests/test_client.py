"""The client for threads, as its user sees it."""

import array
import asyncio
import concurrent.futures
import contextlib
import contextvars
import copy
import ctypes
import datetime
import gzip
import http.server
import io
import logging
import os
import pathlib
import pickle
import signal
import socketserver
import tempfile
import threading
import time
import tracemalloc
import unittest
import unittest.mock
import warnings
import weakref

import ahoy
from ahoy import _library
from ahoy._library import lib
from ahoy._unread import Unread
from support import HeldFile, Served, answering, counts, echo, eventually, late_body, live_pipe, python


class Imported(unittest.TestCase):
    def test_a_host_may_leave_out_its_port(self):
        parsed = [(host.address, host.port) for host in map(ahoy.Host.parse, ("a", "a:", "https://a:/", "[::1]:", "a:81"))]
        self.assertEqual(parsed, [("a", 80), ("a", 80), ("a", 443), ("::1", 80), ("a", 81)])
        for text in ("a:x", ":", ":80", "::"):
            self.assertRaisesRegex(ValueError, "is not a host", ahoy.Client, [text])

    def test_credentials_of_a_host_reach_no_error(self):
        for host in ("me:hush@a:80", "https://me:hush@a", ("me:hush@a", 80), ("me:hush@a", "x"), ahoy.Host("me:hush@a", 80)):
            with self.assertRaisesRegex(ValueError, "holds credentials") as raised:
                ahoy.Client([host])
            self.assertNotIn("hush", str(raised.exception))

    def test_a_unix_socket_is_a_host_by_its_path(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                self.send_response(204)
                self.end_headers()

            def address_string(self):
                return "unix"

            def log_message(self, *_):
                pass

        with tempfile.TemporaryDirectory() as folder:
            path = f"{folder}/socket"
            with socketserver.ThreadingUnixStreamServer(path, Handler) as server:
                threading.Thread(target=server.serve_forever).start()
                try:
                    host = f"unix:{path}"
                    for hosts in ([host], host, f"unix://{path}", [(host, 80)], lambda: [host]):
                        with ahoy.Client(hosts) as client:
                            response = client.get("/")
                            self.assertEqual((response.status, response.endpoint[-len(path) :]), (204, path))
                finally:
                    server.shutdown()
        self.assertRaisesRegex(ValueError, "unix:socket", ahoy.Client, ["unix:socket"])

    def test_a_hooks_request_takes_nothing_that_would_do_nothing(self):
        with self.assertRaises(AttributeError):
            ahoy.HookRequest(0).body = b"x"

    def test_a_function_that_two_threads_declare_at_once_is_one_and_is_not_declared_anew(self):
        library, declared, kind = _library.Library(), [], _library._type

        def beside_another(name):
            if not declared:
                declared.append(None)
                # What another thread does meanwhile.
                declared[0] = library.ahoy_status_name.argtypes
            return kind(name)

        with unittest.mock.patch.object(_library, "_type", beside_another):
            function = library.ahoy_status_name
        self.assertIs(function.argtypes, declared[0])
        self.assertIs(function, library.ahoy_status_name)

    def test_a_callback_whose_type_two_threads_make_at_once_has_one(self):
        made = []

        def beside_another(*_):
            if not made:
                made.append(None)
                made[0] = _library.callback("ahoy_log_fn")
            return type("CFunctionType", (), {})

        with unittest.mock.patch.dict(_library._made, clear=True):
            with unittest.mock.patch.object(ctypes, "CFUNCTYPE", beside_another):
                self.assertIs(_library.callback("ahoy_log_fn"), made[0])

    def test_a_wait_for_a_list_ends_by_a_signal(self):
        # The registry accepts and says nothing; the signal comes as soon as it is asked.
        ended = python(
            """
            import os, signal, socket, threading, ahoy
            registry = socket.create_server(("127.0.0.1", 0))
            def asked():
                kept = registry.accept()
                os.kill(os.getpid(), signal.SIGINT)
                threading.Event().wait()
            threading.Thread(target=asked, daemon=True).start()
            try:
                ahoy.Balancer(f"etcd://127.0.0.1:{registry.getsockname()[1]}/web").wait_ready(300)
            except KeyboardInterrupt:
                print("ended")
            """
        )
        self.assertEqual((ended.stdout, ended.stderr), ("ended\n", ""))

    def test_a_wait_for_a_list_has_its_limit(self):
        waits = ahoy.Balancer("file:///no/such/file")
        begun = time.monotonic()
        self.assertRaisesRegex(ahoy.DiscoveryError, "no such file", waits.wait_ready, 0.3)
        self.assertGreater(time.monotonic() - begun, 0.29)
        asked = []

        def hosts():
            asked.append(1)
            raise OSError("the registry is away")

        with self.assertLogs("ahoy", "ERROR"):
            self.assertRaises(ahoy.DiscoveryError, ahoy.Balancer(hosts).wait_ready, 1)
        self.assertEqual(len(asked), 1)
        ahoy.Balancer(["127.0.0.1:1"]).wait_ready()

    def test_a_subinterpreter_is_refused_and_the_process_goes_on(self):
        ended = python(
            """
            import sys
            try:
                import _interpreters
                run = lambda code: print(_interpreters.exec(_interpreters.create("legacy"), code))
            except ImportError:
                import _xxsubinterpreters as old
                isolated = {"isolated": False} if sys.version_info >= (3, 12) else {}
                run = lambda code: old.run_string(old.create(**isolated), code)
            run("try:\\n import ahoy\\nexcept ImportError as error:\\n print(error, flush=True)")
            """
        )
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        self.assertIn("this is a subinterpreter", ended.stdout)


class Calls(Served, unittest.TestCase):
    kinds = ("ok", "refuse", "ok")

    def client(self, **options):
        client = ahoy.Client(options.pop("hosts", self.hosts), timeout=5, **options)
        self.addCleanup(client.close)
        return client

    def test_a_dead_host_costs_no_call(self):
        client = self.client()
        for _ in range(9):
            self.assertEqual(client.get("/ok").text, "hello")

    def test_what_was_tried_is_told(self):
        client = self.client(hosts=[self.hosts[1], self.hosts[0]], balancer="round_robin")
        response = next(r for r in (client.get("/ok") for _ in range(4)) if len(r.attempts) > 1)
        first, second = response.attempts
        self.assertEqual((first.code, first.opened_circuit), ("AHOY_E_CONNECT", True))
        self.assertEqual((second.http_status, response.endpoint), (200, f"http://{self.hosts[0]}"))

    def test_a_request_arrives_as_it_was_written(self):
        client = self.client(headers={"x-client": "c"})
        seen = client.post("/echo", json={"a": [1, "ü"]}, params={"q": "a b"}, headers={"X-Call": "v"}).json()
        self.assertEqual((seen["method"], seen["target"]), ("POST", "/echo?q=a+b"))
        fields = {name.lower(): value for name, value in seen["headers"]}
        self.assertEqual((fields["x-client"], fields["x-call"]), ("c", "v"))
        self.assertEqual(fields["content-type"], "application/json")
        self.assertEqual(seen["body"].encode("latin-1").decode(), '{"a":[1,"ü"]}')

    def test_bodies_of_every_kind(self):
        client = self.client()
        self.assertEqual(client.post("/body", b"bytes").content, b"bytes")
        self.assertEqual(client.put("/body", "text").content, b"text")
        self.assertEqual(client.post("/body", data={"a": "1 2"}).content, b"a=1+2")
        self.assertEqual(client.post("/body", iter([b"a", b"b"])).content, b"ab")
        self.assertEqual(client.post("/body", [b"a" * 70000, b"b"]).content, b"a" * 70000 + b"b")
        with tempfile.TemporaryFile() as file:
            file.write(b"x" * 200_000)
            file.seek(0)
            self.assertEqual(client.patch("/body", iter(lambda: file.read(65536), b"")).content, b"x" * 200_000)

    def test_what_holds_bytes_in_another_way_is_a_body(self):
        client = self.client()
        for content, arrives in (
            (io.StringIO("t\u00fcr"), "t\u00fcr".encode()),
            (array.array("H", [1, 2]), array.array("H", [1, 2]).tobytes()),
            ((bytearray(b"a"), memoryview(b"b")), b"ab"),
            ({b"a": 1}.keys(), b"a"),
        ):
            self.assertEqual(client.post("/body", content).content, arrives)
        self.assertRaisesRegex(TypeError, "pieces of a body are bytes", client.post, "/body", [b"a", "b"])

    def test_a_file_is_read_in_pieces_from_its_place_and_has_a_length(self):
        class File(io.BytesIO):
            def __iter__(self):
                raise AssertionError("by lines")

            def read(self, count=-1):
                asked.append(count)
                return super().read(count)

        class Pipe(File):
            def seekable(self):
                return False

        class Unpacked(gzip.GzipFile):
            def seek(self, place, whence=0):
                assert whence != io.SEEK_END, "all of it is read"
                return super().seek(place, whence)

        asked, client = [], self.client()
        for file, length in ((io.BytesIO(), "0"), (open(os.devnull, "rb"), "0"), (open("/proc/self/status", "rb"), None)):
            with file:
                seen = client.put("/echo", file).json()
            self.assertEqual((dict(seen["headers"]).get("content-length"), bool(seen["body"])), (length, length is None))
        self.assertEqual(client.post("/body", Unpacked(fileobj=io.BytesIO(gzip.compress(b"packed")))).content, b"packed")
        for kind, framing in ((File, ["content-length", "200000"]), (Pipe, ["transfer-encoding", "chunked"])):
            file = kind(b"head" + b"line\n" * 40_000)
            file.seek(4)
            seen = client.post("/echo", content=file).json()
            self.assertEqual(seen["body"], "line\n" * 40_000)
            self.assertIn(framing, seen["headers"])
        self.assertLess(len(asked), 12)
        self.assertGreater(min(asked), 10_000)

    def test_a_further_attempt_sends_a_file_from_the_same_place(self):
        def second_goes_elsewhere(request):
            if request.attempt == 2:
                request.path = "/body"

        client = self.client(hosts=self.hosts[:1], on_request=second_goes_elsewhere)
        with tempfile.TemporaryFile("w+b") as file:
            file.write(b"head" + b"x" * 100_000)
            file.seek(4)
            for content in (file, io.TextIOWrapper(io.BytesIO(b"x" * 100_000)), [b"x" * 50_000] * 2):
                response = client.put("/status?c=503", content)
                self.assertEqual((len(response.attempts), response.content), (2, b"x" * 100_000))

    def test_a_large_piece_is_not_copied_for_each_part_of_it(self):
        piece = b"x" * 20_000_000
        with ahoy.Client(self.hosts[:1], timeout=60) as client:
            tracemalloc.start()
            try:
                client.post("/ok", content=iter([piece]))
                _, peak = tracemalloc.get_traced_memory()
            finally:
                tracemalloc.stop()
        self.assertLess(peak, 5_000_000)

    def test_a_body_may_make_calls_itself_and_is_drawn_on_the_calling_thread(self):
        def body():
            threads.append(threading.get_ident())
            with client.stream("GET", "/drip?n=5&ms=1") as source:
                yield from source.iter_bytes()
            yield client.get("/ok").content

        def call():
            self.assertEqual(client.put("/body", body()).content, b".....hello")
            with client.stream("PUT", "/body", content=body()) as response:
                self.assertEqual(response.read(), b".....hello")
            self.assertEqual(set(threads), {threading.get_ident()})

        threads, client = [], self.client()
        call()
        threads.clear()
        with concurrent.futures.ThreadPoolExecutor() as pool:
            pool.submit(call).result()

    def test_a_body_that_waits_holds_no_other_call(self):
        def body():
            yield b"a"
            # On the one thread of the library that carries calls of loops, and other streams.
            yield asyncio.run(beside())

        async def beside():
            async with ahoy.AsyncClient(self.hosts, timeout=5) as other:
                return (await other.get("/ok")).content

        with self.client().stream("POST", "/body", content=body()) as response:
            self.assertEqual(response.read(), b"ahello")

    def test_a_server_that_answers_before_it_has_the_body_gets_the_rest(self):
        with echo() as (host, has_begun):
            client = self.client(hosts=[host])
            with client.stream("POST", "/", content=late_body(has_begun)) as response:
                self.assertEqual(len(response.read()), 5 + 20 * 65536)

    def test_a_close_beside_a_read_of_the_body_awaits_its_end(self):
        def body():
            while threading.current_thread() is threading.main_thread():
                yield b"first"
            # The call has returned by the head of the answer, and what reads the answer draws on.
            yield from iter(lambda: file.read(1), b"")

        def read(response):
            with self.assertRaises(ahoy.ClosedError):
                response.read()

        file = HeldFile()
        with echo() as (host, _), ahoy.Client([host], timeout=10) as client:
            response = client.stream("POST", "/", content=body())
            reader = threading.Thread(target=read, args=(response,))
            reader.start()
            self.assertTrue(file.begun.wait(5))
            with file.going_on_once_left():
                response.close()
            self.assertEqual((file.reads, file.is_read), (1, False))
            reader.join()

    def test_what_is_live_is_sent_as_it_comes(self):
        with live_pipe() as (host, file, late), ahoy.Client([host], timeout=10) as client:
            self.assertEqual(client.post("/", content=file).status, 200)
        self.assertEqual(late, [])

    def test_what_requests_and_httpx_have(self):
        with ahoy.Client(self.hosts, auth=("user", "pass")) as client:
            seen = client.get("/echo", headers={"x-many": ["1", "2"]}).json()["headers"]
            self.assertIn(["authorization", "Basic dXNlcjpwYXNz"], seen)
            self.assertEqual([value for name, value in seen if name == "x-many"], ["1", "2"])
            seen = dict(client.get("/echo", auth=("a", "b")).json()["headers"])
            self.assertEqual(seen["authorization"], "Basic YTpi")
            response = client.get("/status?c=404")
            self.assertEqual((response.reason_phrase, response.url), ("Not Found", f"{response.endpoint}/status?c=404"))
            self.assertGreater(response.elapsed.total_seconds(), 0)
            with self.assertRaisesRegex(ahoy.StatusError, "404 Not Found"):
                response.raise_for_status()
            for data, arrives in ((b"a", "a"), ("b", "b"), ({"c": 1}, "c=1"), ([("d", 2)], "d=2"), (iter([b"e"]), "e")):
                self.assertEqual(client.post("/body", data=data).text, arrives)

    def test_server_sent_events_as_the_standard_reads_them(self):
        body = "\ufeffdata: a\nid: 1\n\nevent:\ndata: b\nid: x\0\n\ndata: cut".encode()
        for pieces in ([body], [body[i : i + 1] for i in range(len(body))]):
            events = [(event.event, event.data, event.id) for event in ahoy.sse.parse(iter(pieces))]
            self.assertEqual(events, [("message", "a", "1"), ("message", "b", "1")])

    def test_a_cr_ends_a_line_also_at_the_end_of_a_piece(self):
        events = ahoy.sse.parse(iter([b"data: a\r", b"", b"\ndata: b\r\r", b"data: c\r\n\r", b"\n"]))
        self.assertEqual([event.data for event in events], ["a\nb", "c"])
        live = ahoy.sse.Parser()
        self.assertEqual([event.data for event in live.feed(b"data: a\r\r")], ["a"])

    def test_a_long_line_is_joined_once(self):
        # What joins it at each piece copies 64 GiB for these 8 MiB.
        pieces, begun = [b"x" * 512] * (1 << 14), time.process_time()
        (event,) = ahoy.sse.parse(iter([b"data: ", *pieces, b"\n\n"]))
        self.assertEqual(len(event.data), 1 << 23)
        for take in (Unread.line, Unread.event):
            unread = Unread(lambda: "utf-8")
            for piece in pieces:
                unread.pieces.append(piece)
                self.assertIsNone(take(unread, False))
            self.assertEqual(len(unread.line(True)), 1 << 23)
        self.assertLess(time.process_time() - begun, 5)

    def test_fields_without_a_value_are_left_out(self):
        fields = {"a": None, "b": [1, None, "ü"], "c": b"d"}
        for given, arrives in ((fields, "b=1&b=%C3%BC&c=d"), (list(fields.items()), "b=1&b=%C3%BC&c=d"), ({"a": None}, "")):
            with ahoy.Client(self.hosts[:1]) as client:
                target = f"/echo?{arrives}".rstrip("?")
                self.assertEqual(client.get("/echo", params=given).json()["target"], target)
                self.assertEqual(client.post("/body", data=given).text, arrives)

    def test_a_body_of_text_fails_its_call_also_on_a_connection_that_rested(self):
        with ahoy.Client(self.hosts[:1]) as client:
            client.get("/ok")
            with self.assertRaises(ahoy.BodySourceError) as caught:
                client.post("/body", iter(["text"]))
            self.assertIsInstance(caught.exception.__cause__, TypeError)

    def test_a_setting_shorter_than_a_millisecond_is_one(self):
        short = datetime.timedelta(microseconds=300)
        for span, told in ((short, "1ms"), (5 * short, "2ms"), (0 * short, "0ms")):
            self.assertEqual(self.client(options={"timeout": span}).settings["timeout"], told)

    def test_what_is_of_a_wrong_kind_is_named(self):
        async def awaited(*_):
            raise AssertionError("it is not called")

        client = self.client()
        for error, words, call in (
            (ValueError, "127.0.0.1:99999", lambda: ahoy.Client(["127.0.0.1:99999"])),
            (TypeError, "8001", lambda: ahoy.Client([8001])),
            (TypeError, "8001", lambda: ahoy.Client(8001)),
            (TypeError, "seconds", lambda: ahoy.Client(self.hosts, timeout="2")),
            (TypeError, "on_request is a plain function", lambda: ahoy.Client(self.hosts, on_request=awaited)),
            (TypeError, "on_event is a plain function", lambda: ahoy.AsyncClient(self.hosts, on_event=awaited)),
            (TypeError, "hosts is a plain function", lambda: ahoy.Client(awaited)),
            (TypeError, "balancer is a plain function", lambda: ahoy.Client(self.hosts, balancer=awaited)),
            (ValueError, "weight", lambda: ahoy.Client([ahoy.Host("127.0.0.1", 80, weight=-1)])),
            (ValueError, "priority", lambda: ahoy.Client([ahoy.Host("127.0.0.1", 80, priority=2**32)])),
            (ValueError, "negative", lambda: ahoy.Client(self.hosts, timeout=-2)),
            (TypeError, "tries", lambda: ahoy.Client(self.hosts, retry="3")),
            (TypeError, "list", lambda: ahoy.Client(self.hosts, options=["max_in_flight"])),
            (TypeError, "path", lambda: client.get(None)),
            (TypeError, "seconds", lambda: client.get("/ok", timeout="2")),
            (TypeError, "headers", lambda: client.get("/ok", headers={"x": 1})),
            (TypeError, "json=", lambda: client.post("/body", {"a": 1})),
            (TypeError, "body", lambda: client.post("/body", 5)),
            (TypeError, "attempt_timeout", lambda: client.get("/ok", attempt_timeout="2")),
            (ValueError, "attempt_timeout", lambda: ahoy.Client(self.hosts, attempt_timeout=-1)),
            (ValueError, "attempt_timeout", lambda: ahoy.Client(self.hosts, attempt_timeout=float("nan"))),
            (TypeError, "method", lambda: client.request(None, "/ok")),
            (TypeError, "headers", lambda: client.get("/ok", headers="a: b")),
            (TypeError, "headers", lambda: ahoy.Client(self.hosts, headers=5)),
            (TypeError, "params", lambda: client.get("/ok", params=5)),
            (ValueError, "json cannot be sent", lambda: client.post("/body", json=[float("nan")])),
            (ValueError, "json cannot be sent", lambda: client.post("/body", json={"a": float("-inf")})),
            (TypeError, "one of content, data and json", lambda: client.post("/body", b"a", json={})),
            (ValueError, "NUL", lambda: client.get("/ok", headers={"x": "a\0b"})),
            (ValueError, "NUL", lambda: client.get("/ok", group="a\0b")),
            (ValueError, "NUL", lambda: client.request("GET\0X", "/ok")),
            (ValueError, "retry_tries", lambda: ahoy.Client(self.hosts, options={"retry_tries": "3\0x"})),
            (ValueError, "address", lambda: ahoy.Client(["127.0.0.1\0x:80"])),
            (TypeError, "zone of a host", lambda: ahoy.Client([ahoy.Host("a", 80, zone=5)])),
            (TypeError, "group", lambda: client.get("/ok", group=5)),
            (TypeError, "criticality", lambda: client.get("/ok", criticality="a")),
            (ValueError, "criticality", lambda: client.get("/ok", criticality=-1)),
            (ValueError, "criticality", lambda: client.get("/ok", criticality=2**32)),
            (TypeError, "hash_key", lambda: client.get("/ok", hash_key=5)),
            (TypeError, "idempotent is True or False, and not 'no'", lambda: client.get("/ok", idempotent="no")),
            (TypeError, "resilient", lambda: ahoy.Client(self.hosts, resilient="off")),
            (TypeError, "warn_unclosed", lambda: ahoy.Client(self.hosts, warn_unclosed=0)),
            (TypeError, "auth", lambda: client.get("/ok", auth="user")),
            (TypeError, "base_url", lambda: ahoy.Client(base_url=5)),
            (ValueError, "write prequal:/path", lambda: ahoy.Client(self.hosts, balancer="prequal")),
            (ValueError, "no balancer is called 'p2c:x'", lambda: ahoy.Client(self.hosts, balancer="p2c:x")),
            (TypeError, "balancer is a name or a function, and not 5", lambda: ahoy.Client(self.hosts, balancer=5)),
            (TypeError, "port of a host is a whole number, and not '80'", lambda: ahoy.Client([ahoy.Host("a", "80")])),
            (TypeError, "weight of a host", lambda: ahoy.Client([ahoy.Host("a", 80, weight=1.5)])),
            (ValueError, r"\('a', 'b'\) is not a host", lambda: ahoy.Client([("a", "b")])),
            (TypeError, "a header is a pair", lambda: client.get("/ok", headers=[("a",)])),
            (TypeError, "tries", lambda: ahoy.Client(self.hosts, retry=ahoy.Retry(tries="3"))),
            (TypeError, "logger", lambda: ahoy.Client(self.hosts, logger=5)),
            (ValueError, "a format is openmetrics or prometheus", lambda: client.metrics("text")),
            (TypeError, "timeout", lambda: client.close("5")),
            (TypeError, "make a client in each process", lambda: pickle.dumps(client)),
            (TypeError, "make a client in each process", lambda: copy.deepcopy(client)),
            (TypeError, "make a client in each process", lambda: copy.copy(client)),
            (TypeError, "make a client in each process", lambda: copy.copy(client.balancer)),
            (TypeError, "config is a mapping or text, and not 3", lambda: ahoy.Client(config=3)),
            (TypeError, "make a client in each process", lambda: pickle.dumps(client.balancer)),
            (TypeError, "cert", lambda: ahoy.Client(self.hosts, cert="file.pem")),
            (TypeError, "on_request", lambda: ahoy.Client(self.hosts, on_request=5)),
            (ahoy.UnknownOptionError, "retry_trys", lambda: ahoy.Client(self.hosts, options={"retry_trys": 3})),
        ):
            with self.assertRaisesRegex(error, words):
                call()

    def test_a_key_is_the_same_in_any_kind_of_bytes(self):
        client = self.client(hosts=self.hosts[::2], balancer="maglev")
        for number in range(20):
            key = b"key \0\xff %d" % number
            kinds = (key, bytearray(key), memoryview(key), memoryview(bytearray(key * 2))[: len(key)])
            self.assertEqual(len({client.get("/ok", hash_key=kind).endpoint for kind in kinds}), 1)

    def test_open_circuits_have_an_error_of_their_own(self):
        for hosts in (self.hosts[1:2], [self.hosts[1], "127.0.0.1:1"]):
            client = self.client(hosts=hosts, retry=False, options={"wait_for_ready": "0s"})
            for _ in hosts:
                with self.assertRaises(ahoy.ConnectError):
                    client.get("/ok")
            with self.assertRaises(ahoy.CircuitOpenError):
                client.get("/ok")

    def test_what_a_body_raises_comes_out(self):
        def broken():
            yield b"a"
            raise KeyError("from the iterable")

        with self.assertRaises(ahoy.BodySourceError) as caught:
            self.client().post("/body", broken())
        self.assertIsInstance(caught.exception.__cause__, KeyError)

    def test_an_answer_of_5xx_is_an_answer(self):
        response = self.client(hosts=self.hosts[:1], retry=False).get("/status?c=500")
        self.assertEqual((response.status, response.ok), (500, False))
        with self.assertRaises(ahoy.StatusError) as caught:
            response.raise_for_status()
        self.assertIs(caught.exception.response, response)

    def test_fail_on_status_keeps_the_answer(self):
        with self.assertRaises(ahoy.StatusError) as caught:
            self.client(options={"fail_on_status": True}).get("/status?c=404")
        self.assertEqual((caught.exception.response.status, caught.exception.response.text), (404, "as asked"))

    def test_errors_have_a_class_a_code_and_their_attempts(self):
        with self.assertRaises(ahoy.ConnectError) as caught:
            self.client(hosts=[self.hosts[1]]).get("/ok")
        error = caught.exception
        self.assertIsInstance(error, ConnectionError)
        self.assertEqual(error.code, "AHOY_E_CONNECT")
        self.assertTrue(error.retryable and not error.ambiguous and error.attempts)
        self.assertIsInstance(error.__cause__, ahoy.AttemptError)
        with self.assertRaises(ahoy.DeadlineError) as caught:
            self.client(hosts=self.hosts[:1]).get("/slow?ms=5000", timeout=0.1)
        self.assertIsInstance(caught.exception, TimeoutError)
        self.assertTrue(caught.exception.ambiguous or caught.exception.attempts)
        with self.assertRaises(ValueError) as caught:
            self.client(options={"max_in_fligt": 1})
        self.assertIn("max_in_flight", str(caught.exception))

    def test_the_first_64_attempts_are_kept(self):
        answer = b"HTTP/1.1 503 Service Unavailable\r\nretry-after: 0\r\ncontent-length: 0\r\n\r\n"
        retry = ahoy.Retry(tries=70, delay=0.001, max_delay=0.001)
        with answering(answer) as (host, heads):
            tried = self.client(hosts=[host], retry=retry, options={"retry_budget": "off"}).get("/").attempts
            self.assertEqual(heads.qsize(), 70)
            options = {"retry_budget": "off", "fail_on_status": True}
            with self.assertRaises(ahoy.StatusError) as caught:
                self.client(hosts=[host], retry=retry, options=options).get("/")
        for attempts in (tried, caught.exception.attempts):
            self.assertEqual([(a.url, a.http_status) for a in attempts], [(f"http://{host}", 503)] * 64)
        links, link = 0, caught.exception.__cause__
        while link is not None:
            links, link = links + 1, link.__cause__
        self.assertEqual(links, 64)

    def test_a_stream_comes_as_it_is_sent(self):
        client = self.client()
        begun, first = time.monotonic(), None
        with client.stream("GET", "/drip?n=5&ms=60") as response:
            pieces = []
            for piece in response.iter_bytes():
                first = first or time.monotonic() - begun
                pieces.append(piece)
        self.assertEqual(b"".join(pieces), b".....")
        self.assertGreater(len(pieces), 2)
        self.assertLess(first, time.monotonic() - begun)

    def test_a_stream_that_is_left_is_cut_at_the_server(self):
        client = self.client(hosts=self.hosts[:1])
        before = counts(self.ports[0])["broken_off"]
        with client.stream("GET", "/drip?n=500&ms=20") as response:
            next(response.iter_bytes())
        eventually(lambda: counts(self.ports[0])["broken_off"] == before + 1)

    def test_server_sent_events(self):
        client = self.client()
        with client.stream("GET", "/events") as response:
            events = list(response.events())
        self.assertEqual([e.data for e in events], ["one", "two\nlines", "three"])
        self.assertEqual((events[1].event, events[1].id), ("second", "7"))
        self.assertEqual(events, list(client.get("/events").events()))

    def test_content_view(self):
        response = self.client().get("/ok")
        view = response.content_view
        self.assertTrue(view.readonly)
        part = view[1:4]
        response.close()
        with self.assertRaises(ValueError):
            bytes(view)
        self.assertEqual(bytes(part), b"ell")
        with self.assertRaises(ahoy.ClosedError):
            response.endpoint

    def test_a_large_body_that_was_read_is_held_once(self):
        client = self.client(hosts=self.hosts[:1])
        response, viewed = client.get("/big?n=1000000"), client.get("/big?n=1000000")
        told = [response.endpoint, response.url, response.attempts, response.stop_reason, response.headers["content-length"]]
        library = response._handle
        freed = weakref.ref(library)
        del library
        self.assertEqual(len(response.content), 1000000)
        self.assertIsNone(freed())
        after = [response.endpoint, response.url, response.attempts, response.stop_reason, response.headers["content-length"]]
        self.assertEqual(after, told)
        self.assertIs(response.content_view.obj, response.content)
        self.assertEqual(pickle.loads(pickle.dumps(response)).url, told[1])
        response.close()
        self.assertRaises(ahoy.ClosedError, lambda: response.url)
        # A view has the library's, which stays.
        part = viewed.content_view[:3]
        self.assertEqual((bytes(part), viewed.content[:3]), (b"xxx", b"xxx"))
        self.assertIsNotNone(viewed._handle.pointer)
        responses = [client.get("/big?n=1000000") for _ in range(4)]
        threads = [threading.Thread(target=lambda r=r: (r.content, r.url)) for r in responses for _ in range(4)]
        with unittest.mock.patch("threading.excepthook") as failed:
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        failed.assert_not_called()

    def test_answers_outlive_their_client(self):
        client = ahoy.Client(self.hosts)
        response = client.get("/ok")
        client.close()
        client.close()
        self.assertEqual((response.text, response.status), ("hello", 200))
        with self.assertRaises(ahoy.ClosedError):
            client.get("/ok")

    def test_a_close_beside_calls_that_begin(self):
        ended = python(
            """
            import sys, threading, time, ahoy
            sys.setswitchinterval(1e-6)
            def work(client):
                while True:
                    try:
                        client.metrics()
                        client.get("/ok")
                    except ahoy.ClosedError:
                        return
            for _ in range(30):
                client = ahoy.Client(sys.argv[1:])
                threads = [threading.Thread(target=work, args=(client,)) for _ in range(8)]
                for thread in threads: thread.start()
                time.sleep(0.005)
                client.close()
                for thread in threads: thread.join()
            """,
            *self.hosts,
            MALLOC_PERTURB_="165",
        )
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (0, "", ""))

    def test_the_process_ends_without_a_word_beside_uploads(self):
        program = """
            import asyncio, sys, threading, ahoy
            client = ahoy.Client(sys.argv[1:], warn_unclosed=False)
            are_sent = threading.Semaphore(0)
            def body():
                while True:
                    are_sent.release()
                    yield b"x" * 1000
            async def pieces():
                for piece in body():
                    yield piece
            async def awaited():
                other = ahoy.AsyncClient(sys.argv[1:], warn_unclosed=False, on_request=lambda request: None)
                async def gets():
                    while True:
                        await other.get("/ok")
                await asyncio.gather(other.post("/slow", pieces()), gets())
            for work in [lambda: client.post("/slow", body())] * 4 + [lambda: asyncio.run(awaited())]:
                threading.Thread(target=work, daemon=True).start()
            for _ in range(1000): are_sent.acquire()
            """
        for _ in range(5):
            ended = python(program, *self.hosts)
            self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (0, "", ""))

    def test_a_close_beside_a_read(self):
        ended = python(
            """
            import sys, threading, time, ahoy
            sys.setswitchinterval(1e-6)
            def work(response):
                try:
                    response.read()
                except ahoy.ClosedError:
                    pass
            with ahoy.Client(sys.argv[1:]) as client:
                for _ in range(30):
                    with client.stream("GET", "/drip?n=2000&ms=1") as response:
                        thread = threading.Thread(target=work, args=(response,))
                        thread.start()
                        time.sleep(0.005)
                    thread.join()
            """,
            self.hosts[0],
            MALLOC_PERTURB_="165",
        )
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr), (0, "", ""))

    def test_a_client_that_was_not_closed_is_told_of(self):
        with warnings.catch_warnings(record=True) as found:
            warnings.simplefilter("always")
            client = ahoy.Client(self.hosts)
            del client
        self.assertEqual([w.category for w in found], [ResourceWarning])

    def test_hooks(self):
        seen = []

        def on_request(request):
            request.set_header("x-hook", f"{request.method} {request.path}")

        client = self.client(
            on_request=on_request, on_response=lambda r: seen.append(r.status), on_error=lambda e: seen.append(e.code)
        )
        fields = {k.lower(): v for k, v in client.get("/echo").json()["headers"]}
        self.assertEqual(fields["x-hook"], "GET /echo")
        self.assertIn(200, seen)

    def test_hooks_are_told_of_attempts_and_not_of_calls(self):
        seen = []
        client = self.client(
            hosts=self.hosts[:1],
            on_request=lambda r: seen.append(r.attempt),
            on_response=lambda r: seen.append(r.status),
            on_error=lambda e: seen.append(e.code),
        )
        self.assertEqual(client.get("/flaky?n=1&key=hooks").status, 200)
        self.assertEqual(seen, [1, 503, 2, 200])
        client.balancer.endpoints()[0].open_circuit()
        self.assertRaises(ahoy.CircuitOpenError, client.get, "/ok")
        self.assertEqual(len(seen), 4)

    def test_a_hook_that_raises_refuses(self):
        def refuse(request):
            raise PermissionError("not today")

        client, caught = self.client(on_request=refuse), []

        def call(begin):
            try:
                begin("GET", "/ok")
            except ahoy.HookRefusedError as error:
                caught.append(error.__cause__)

        for begin in (client.request, client.stream):
            call(begin)
            thread = threading.Thread(target=call, args=(begin,))
            thread.start()
            thread.join()
        self.assertEqual([str(error) for error in caught], ["not today"] * 4)
        self.assertEqual(client._calls._calls, {})

    def test_a_hook_that_would_wait_for_a_call_is_told_what_to_do(self):
        other = self.client()
        with self.assertRaises(ahoy.HookRefusedError) as caught:
            self.client(on_request=lambda request: other.get("/ok")).get("/ok")
        cause = caught.exception.__cause__
        self.assertIsInstance(cause, ahoy.WouldDeadlockError)
        self.assertEqual(cause.code, "AHOY_E_WOULD_DEADLOCK")
        self.assertIn("ready before the call", str(cause))

    def test_hooks_have_the_context_of_their_call(self):
        class Tracing:
            def call(self, request):
                return contextlib.nullcontext()

            def begin_attempt(self, request):
                seen.append(("begin", name.get("lost")))

            def end_call(self, response, error):
                seen.append(("end", name.get("lost")))

        def hook(kind):
            return lambda _: seen.append((kind, name.get("lost")))

        def told(call):
            def run():
                name.set("mine")
                for hosts in (self.hosts[:1], self.hosts[1:2]):
                    with contextlib.suppress(ahoy.ConnectError):
                        call(hosts)

            seen.clear()
            contextvars.copy_context().run(run)
            eventually(lambda: {kind for kind, _ in seen} == {"request", "error", "response", "begin", "end"})
            self.assertEqual({value for _, value in seen}, {"mine"})

        def in_a_thread(hosts):
            with concurrent.futures.ThreadPoolExecutor() as pool:
                pool.submit(contextvars.copy_context().run, self.client(hosts=hosts, **hooks).get, "/ok").result()

        async def awaited(hosts):
            async with ahoy.AsyncClient(hosts, **hooks) as client:
                await client.get("/ok")

        name, seen = contextvars.ContextVar("name"), []
        hooks = {f"on_{kind}": hook(kind) for kind in ("request", "response", "error")}
        hooks.update(tracing=Tracing(), retry=False)
        told(lambda hosts: self.client(hosts=hosts, **hooks).get("/ok"))
        told(lambda hosts: self.client(hosts=hosts, **hooks).stream("GET", "/ok").close())
        told(in_a_thread)
        told(lambda hosts: asyncio.run(awaited(hosts)))

    def test_what_ends_a_program_passes_through_a_hook_in_the_loop(self):
        def on_event(event):
            raise KeyboardInterrupt

        async def main():
            async with ahoy.AsyncClient(self.hosts[:1], on_event=on_event) as client:
                await client.get("/ok")
                client.balancer.endpoints()[0].open_circuit()
                await asyncio.sleep(5)

        self.assertRaises(KeyboardInterrupt, asyncio.run, main())

    def test_a_request_that_a_hook_keeps_is_closed(self):
        kept = []

        class Tracing:
            def call(self, request):
                return contextlib.nullcontext()

            def begin_attempt(self, request):
                kept.append(request)

            def end_call(self, response, error):
                pass

        def refuse(request):
            kept.append(request)
            raise PermissionError

        self.client(on_request=kept.append).get("/ok")
        self.client(tracing=Tracing()).get("/ok")
        self.assertRaises(ahoy.HookRefusedError, self.client(on_request=refuse).get, "/ok")
        self.assertGreaterEqual(len(kept), 3)
        uses = [lambda request, name=name: getattr(request, name) for name in ("method", "path", "endpoint", "attempt", "call_number")]
        uses += [lambda request: setattr(request, "path", "/"), lambda request: request.set_header("a", "b")]
        for request in kept:
            for use in (*uses, lambda request: request.add_header("a", "b")):
                self.assertRaisesRegex(ahoy.ClosedError, "hook that has returned", use, request)

    def test_what_a_hook_keeps_of_an_answer_stays_readable(self):
        kept = []
        client = self.client(on_response=lambda response: kept.append((response, response.content_view[1:])))
        for _ in range(3):
            client.get("/big?n=200000")
        self.assertEqual({bytes(view) for _, view in kept}, {client.get("/big?n=200000").content[1:]})
        with self.assertRaises(ahoy.ClosedError):
            _ = kept[0][0].endpoint

    def test_answers_and_their_errors_are_copied_and_pickled(self):
        client = self.client(hosts=self.hosts[:1], retry=False)
        with self.assertRaises(ahoy.StatusError) as caught:
            client.get("/status?c=404").raise_for_status()
        error = pickle.loads(pickle.dumps(caught.exception))
        self.assertEqual((error.code, error.response.text), ("AHOY_E_HTTP_STATUS", "as asked"))
        answer = client.get("/echo")
        twice = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(answer))))
        for twin in (copy.copy(answer), copy.deepcopy(answer), twice):
            self.assertEqual((twin.json(), twin.headers, twin.endpoint), (answer.json(), answer.headers, answer.endpoint))
            self.assertEqual((twin.url, twin.attempts, twin.elapsed), (answer.url, answer.attempts, answer.elapsed))
        with answer:
            pass
        self.assertEqual(pickle.loads(pickle.dumps(answer)).json(), answer.json())

    def test_own_provider_and_own_balancer(self):
        asked = []

        def hosts():
            asked.append(1)
            return [("127.0.0.1", self.ports[0]), ("127.0.0.1", self.ports[2])]

        client = self.client(hosts=hosts, balancer=lambda count: count - 1)
        self.assertEqual({client.get("/ok").endpoint for _ in range(4)}, {f"http://{self.hosts[2]}"})
        self.assertTrue(asked)

    def test_balancer_and_endpoints(self):
        balancer = ahoy.Balancer([self.hosts[0], ahoy.Host("127.0.0.1", self.ports[2], weight=2, zone="b")], "round_robin")
        with ahoy.Client(balancer) as one, ahoy.Client(balancer) as other:
            one.get("/ok")
            first = balancer.endpoints()[0]
            first.open_circuit()
            self.assertEqual((first.state, first.available), ("open", False))
            stated = [(it.weight, it.priority, it.zone) for it in balancer.endpoints()]
            self.assertEqual(stated, [(1, 0, None), (2, 0, "b")])
            self.assertEqual({other.get("/ok").endpoint for _ in range(4)}, {f"http://{self.hosts[2]}"})
            first.close_circuit()
            self.assertIn(self.hosts[0], balancer.explain())
            balancer.remove(self.hosts[0])
            self.assertEqual(len(balancer.endpoints()), 1)

    def test_statistics_metrics_settings_events(self):
        events = []
        client = self.client(hosts=[self.hosts[1], self.hosts[0]], balancer="round_robin", on_event=events.append)
        for _ in range(4):
            client.get("/ok")
        names = {sample.name for sample in client.statistics()}
        self.assertTrue(any("http.client.request.duration" in n or "http_client_request_duration" in n for n in names))
        self.assertIn("# HELP", client.metrics())
        self.assertIn("# HELP", client.metrics("prometheus"))
        self.assertEqual(client.settings["timeout"], "5s")
        eventually(lambda: any("opened" in event.text for event in events))
        self.assertIn("max_in_flight", ahoy.documented_settings("client"))

    def test_one_text_of_the_metrics_of_several_clients(self):
        payments, users, other = (
            self.client(hosts=[self.hosts[0]], options={"name": name}) for name in ("payments", "users", "users")
        )
        metrics = payments.metrics(others=[users])
        for name in ("payments", "users"):
            self.assertIn(f'ahoy_client_active_calls{{client="{name}"}} 0', metrics)
        self.assertEqual(metrics.count("# TYPE ahoy_client_active_calls "), 1)
        with self.assertRaisesRegex(ahoy.InvalidArgumentError, '"users"'):
            users.metrics(others=[other])
        other.close()
        with self.assertRaises(ahoy.ClosedError):
            payments.metrics(others=[other])

    def test_one_text_for_a_client(self):
        with ahoy.Client(config={"hosts": [self.hosts[0]], "timeout": "2s"}) as client:
            self.assertEqual(client.get("/ok").text, "hello")
            self.assertEqual(client.settings["timeout"], "2s")
            before = client.balancer
            self.assertIn(self.hosts[0], before.explain())
            client.reconfigure({"hosts": [self.hosts[2]], "timeout": "3s"})
            self.assertEqual(client.get("/ok").endpoint, f"http://{self.hosts[2]}")
            self.assertIn(self.hosts[2], client.balancer.explain())
            with self.assertRaises(ahoy.InvalidArgumentError) as caught:
                client.reconfigure({"timeuot": "1s", "retry": {"tries": 0}})
            self.assertIn("timeout", str(caught.exception))
            self.assertIn("retry.tries", str(caught.exception))
            self.assertEqual(client.settings["timeout"], "3s")

    def test_the_log_goes_to_logging(self):
        with self.assertLogs("ahoy", logging.INFO) as found:
            client = self.client(hosts=[self.hosts[1], self.hosts[0]], balancer="round_robin")
            for _ in range(4):
                client.get("/ok")
            eventually(lambda: any("opened" in r.getMessage() for r in found.records))
        self.assertTrue(any(self.hosts[1] in record.getMessage() for record in found.records))

    def test_gzip_and_big(self):
        client = self.client()
        self.assertEqual(client.get("/gzip").text, "hello")
        self.assertEqual(len(client.get("/big?n=3000000").content), 3_000_000)

    def test_absolute_urls(self):
        with ahoy.Client(timeout=5) as client:
            self.assertEqual(client.get(f"http://{self.hosts[0]}/ok").text, "hello")
        with ahoy.Client(base_url=f"http://{self.hosts[0]}/", timeout=5) as client:
            self.assertEqual(client.get("/ok").text, "hello")

    def test_the_url_of_an_answer_is_the_one_that_brought_it(self):
        at = f"http://{self.hosts[0]}"
        with ahoy.Client(base_url=f"{at}/below") as client, ahoy.Client(options={"redirects": 2}) as follows:
            self.assertEqual(client.get("/ok?a=1").url, f"{at}/below/ok?a=1")
            self.assertEqual(follows.get(f"{at}/redirect?to=/ok").url, f"{at}/ok")
        hooked = self.client(on_request=lambda request: setattr(request, "path", "/echo"))
        self.assertTrue(hooked.get("/ok").url.endswith("/echo"))

    def test_threads_share_a_client(self):
        client, failed = self.client(), []

        def work():
            for _ in range(50):
                try:
                    assert client.get("/ok").text == "hello"
                except Exception as error:
                    failed.append(error)

        threads = [threading.Thread(target=work) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(failed, [])

    def test_a_certificate_that_is_none_is_refused(self):
        with self.assertRaises(ahoy.Error):
            self.client(verify=b"no pem")
        with self.assertRaises(ValueError):
            self.client(verify=False)
        with tempfile.TemporaryDirectory() as folder:
            with self.assertRaises(FileNotFoundError):
                self.client(verify=pathlib.Path(folder) / "none.pem")

    def test_fields_are_text_that_goes_back_as_it_came(self):
        for sent, text in ((b"caf\xc3\xa9", "caf\xe9"), (b"caf\xe9", "caf\xe9")):
            answer = b"HTTP/1.1 200 OK\r\nx-name: " + sent + b"\r\ncontent-length: 0\r\n\r\n"
            with answering(answer) as (host, heads), ahoy.Client([host]) as client:
                response = client.get("/")
                self.assertEqual(response.headers["x-name"], text)
                self.assertEqual(client.get("/", headers={"x-name": text}).headers["x-name"], text)
                heads.get(timeout=5)
                self.assertIn(b"x-name: caf\xc3\xa9\r\n", heads.get(timeout=5))

    def test_a_close_ends_streams_at_once(self):
        client = ahoy.Client(self.hosts[:1])
        before = counts(self.ports[0])["broken_off"]
        held = client.stream("GET", "/drip?n=500&ms=20")
        next(held.iter_bytes())
        begun = time.monotonic()
        client.close()
        self.assertLess(time.monotonic() - begun, 2)
        with self.assertRaises(ahoy.ClosedError):
            held.read()
        self.assertEqual((held.status, held.headers["content-length"]), (200, "500"))
        eventually(lambda: counts(self.ports[0])["broken_off"] == before + 1)

    def test_a_block_that_an_exception_leaves_waits_for_no_call(self):
        answers = []

        def call(client):
            try:
                client.get("/slow?ms=20000", timeout=30)
            except ahoy.Error as error:
                answers.append(error)

        begun = time.monotonic()
        before = counts(self.ports[0])["requests"].get("/slow", 0)
        with self.assertRaises(ZeroDivisionError), ahoy.Client(self.hosts[:1]) as client:
            thread = threading.Thread(target=call, args=(client,))
            thread.start()
            eventually(lambda: counts(self.ports[0])["requests"].get("/slow", 0) > before)
            raise ZeroDivisionError
        thread.join()
        self.assertLess(time.monotonic() - begun, 4)
        self.assertIsInstance(answers[0], ahoy.ClosedError)

    def test_a_signal_ends_a_close_that_waits(self):
        ended = python(
            """
            import signal, sys, threading, time, ahoy
            client, began = ahoy.Client(sys.argv[1:], on_request=lambda _: began.set()), threading.Event()
            told = []
            def call():
                try:
                    client.get("/slow?ms=20000", timeout=30)
                except ahoy.ClosedError:
                    told.append("ended")
            thread = threading.Thread(target=call)
            thread.start()
            began.wait()
            begun = time.monotonic()
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            signal.signal(signal.SIGALRM, signal.default_int_handler)
            try:
                client.close(20)
            except KeyboardInterrupt:
                told.append("interrupted")
            thread.join()
            print(sorted(told), time.monotonic() - begun < 5)
            """,
            self.hosts[0],
        )
        self.assertEqual((ended.stdout, ended.stderr), ("['ended', 'interrupted'] True\n", ""))

    def test_a_close_in_a_hook_is_refused_at_once(self):
        refused = []

        def close(_):
            try:
                client.close()
            except ahoy.Error as error:
                refused.append(error.code)

        client, begun = ahoy.Client(self.hosts[:1], on_request=close), time.monotonic()
        client.get("/ok")
        self.assertEqual(refused, ["AHOY_E_WOULD_DEADLOCK"])
        self.assertLess(time.monotonic() - begun, 2)

    def test_a_read_in_a_thread_waits_without_waking(self):
        waits, streams = [], []

        def read():
            with self.client(hosts=self.hosts[:1]).stream("GET", "/drip?n=2&ms=20000") as response:
                poll = response._poll
                response._poll = lambda wait: waits.append(wait) or poll(wait)
                streams.append(response)
                with self.assertRaises(ahoy.ClosedError):
                    response.read()

        thread = threading.Thread(target=read)
        thread.start()
        # The first byte has been read, and the second is waited for.
        eventually(lambda: len(waits) == 2 and streams[0]._is_read)
        begun = time.monotonic()
        streams[0].close()
        thread.join()
        self.assertLess(time.monotonic() - begun, 2)
        self.assertEqual(waits, [2**64 - 1] * 2)

    def test_threads_that_read_one_stream_get_each_byte_once(self):
        with self.client(hosts=self.hosts[:1]).stream("GET", "/big?n=8000000") as response:
            lengths = []
            threads = [threading.Thread(target=lambda: lengths.append(len(response.read()))) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(sum(lengths), 8000000)

    def test_a_charset_that_is_no_text_is_read_as_utf_8(self):
        for charset in ("hex", "base64", "rot13", "zip", "idna", "undefined", "no-such"):
            answer = f"HTTP/1.1 200 OK\r\ncontent-type: text/plain; charset={charset}\r\ncontent-length: 2\r\n\r\n"
            with answering(answer.encode() + "\xe9".encode()) as (host, _), ahoy.Client([host]) as client:
                self.assertEqual(client.get("/").text, "\xe9", charset)
                with client.stream("GET", "/") as response:
                    self.assertEqual("".join(response.iter_text()), "\xe9", charset)

    def test_an_error_of_a_status_tells_it(self):
        client = self.client(hosts=self.hosts[:1])
        with self.assertRaises(ahoy.StatusError) as caught:
            client.get("/status?c=404").raise_for_status()
        self.assertEqual((caught.exception.http_status, caught.exception.response.status), (404, 404))
        with client.stream("GET", "/status?c=404") as response, self.assertRaises(ahoy.StatusError) as caught:
            response.raise_for_status()
        self.assertEqual((caught.exception.http_status, caught.exception.response), (404, None))
        with self.assertRaises(ahoy.StatusError) as caught:
            self.client(options={"fail_on_status": True}).get("/status?c=404")
        self.assertEqual(caught.exception.http_status, 404)

    def test_settings_and_queries_in_further_forms(self):
        client = self.client(options={"retry_statuses": [500, 503]}, retry=ahoy.Retry(options={"statuses": (429, "502")}))
        self.assertEqual(client.settings["retry"]["statuses"], "500,503")
        for given, target in (("q=a b&r=\xe9%20", "/echo?q=a%20b&r=%C3%A9%20"), (b"a=b", "/echo?a=b"), (b"a=\xff", "/echo?a=%FF")):
            self.assertEqual(client.get("/echo", params=given).json()["target"], target)

    def test_a_stream_that_is_read_at_a_fork_is_refused_in_the_child(self):
        client = self.client(hosts=self.hosts[:1])
        with client.stream("GET", "/drip?n=2&ms=20000") as response:

            def read():
                with self.assertRaises(ahoy.ClosedError):
                    response.read()

            thread = threading.Thread(target=read)
            thread.start()
            eventually(lambda: response._is_read)
            with warnings.catch_warnings():
                # A fork beside threads, which is what is tried here.
                warnings.simplefilter("ignore", DeprecationWarning)
                child = os.fork()
            if child == 0:
                signal.alarm(20)
                try:
                    response.read()
                except ahoy.ForkedError:
                    client.close()
                    os._exit(7)
                os._exit(1)
            self.assertEqual(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), 7)
            response.close()
            thread.join()



class Alarm(Exception):
    """What a signal handler raises."""


def alarmed(name, is_due=lambda *arguments: True):
    """Has a signal handler raise as soon as a function of the library has returned, once."""
    function, rings = getattr(lib, name), [True]

    def call(*arguments):
        status = function(*arguments)
        if rings and is_due(*arguments):
            rings.clear()
            raise Alarm
        return status

    return unittest.mock.patch.object(lib, name, call)


class Interrupted(Served, unittest.TestCase):
    """Calls that a signal handler breaks off, on return from the library at the earliest."""

    def setUp(self):
        self.client = ahoy.Client(self.hosts, timeout=10)
        self.addCleanup(self.client.close)

    def test_what_a_read_has_brought_is_read_next(self):
        with self.client.stream("GET", "/drip?n=2&ms=10") as response:
            came = b""
            with alarmed("ahoy_response_read", lambda *arguments: arguments[4]._obj.value), self.assertRaises(Alarm):
                came += response.read()
            came += response.read()
            self.assertEqual((came, response.ended), (b"..", True))

    def test_an_answer_that_nobody_takes_ends_at_the_server(self):
        before = counts(self.ports[0])["broken_off"]
        for body in (None, iter([b"a"])):
            with alarmed("ahoy_call_wait", lambda *arguments: arguments[2]._obj.value), self.assertRaises(Alarm):
                self.client.stream("POST" if body else "GET", "/drip?n=500&ms=20", content=body)
            before += 1
            eventually(lambda: counts(self.ports[0])["broken_off"] == before)

    def test_what_the_library_gave_is_freed(self):
        waits = ahoy.Balancer("file:///no/such/file")
        for frees, gives, call in (
            ("ahoy_snapshot_free", "ahoy_client_snapshot", self.client.statistics),
            ("ahoy_text_free", "ahoy_client_config_text", lambda: self.client.settings),
            ("ahoy_error_free", "ahoy_balancer_wait_ready", lambda: waits.wait_ready(0)),
        ):
            freed = unittest.mock.Mock(wraps=getattr(lib, frees))
            with self.subTest(gives), unittest.mock.patch.object(lib, frees, freed):
                with alarmed(gives), self.assertRaises(Alarm):
                    call()
                self.assertEqual(freed.call_count, 1)

    def test_a_handler_that_reads_what_it_interrupts_is_refused(self):
        def interrupted(*arguments):
            with self.assertRaises(ahoy.WouldDeadlockError) as raised:
                response.read()
            self.assertEqual(raised.exception.code, "AHOY_E_WOULD_DEADLOCK")
            return read(*arguments)

        read, came = lib.ahoy_response_read, []
        with self.client.stream("GET", "/drip?n=2&ms=10") as response:
            with unittest.mock.patch.object(lib, "ahoy_response_read", interrupted):
                reader = threading.Thread(target=lambda: came.append(response.read()), daemon=True)
                reader.start()
                reader.join(5)
            self.assertEqual(came, [b".."])

    def test_what_ends_a_program_comes_out_of_functions_of_a_balancer(self):
        def ends(*_):
            raise KeyboardInterrupt

        hosts = ["127.0.0.1:1", "127.0.0.1:2"]
        for call in (
            ahoy.Balancer(ends).update,
            ahoy.Balancer(ends).wait_ready,
            ahoy.Balancer(hosts, ends).pick,
            ahoy.Balancer(hosts, "random", random=ends).pick,
        ):
            with self.subTest(call), self.assertLogs("ahoy", "ERROR"), self.assertRaises(KeyboardInterrupt):
                call()

    def test_what_ends_a_program_comes_out_of_functions_of_a_client(self):
        def ends(*_):
            raise SystemExit("enough")

        def call(**options):
            with ahoy.Client(**{"hosts": self.hosts, **options}) as client:
                try:
                    client.get("/ok")
                except SystemExit as error:
                    came.append(error.code)

        # Calls of the main thread have their functions called on a thread of the library.
        for options in ({"hosts": ends}, {"balancer": ends}, {"on_request": ends}, {"on_response": ends}):
            came = []
            with self.subTest(options), self.assertLogs("ahoy"):
                logging.getLogger("ahoy").error("a refusal is not told")
                thread = threading.Thread(target=call, kwargs=options)
                thread.start()
                thread.join()
                self.assertEqual(came, ["enough"])

    def test_an_error_of_a_function_of_a_balancer_is_the_cause(self):
        def fails(*_):
            raise LookupError("no list today")

        for call in (ahoy.Balancer(fails).wait_ready, ahoy.Balancer(["127.0.0.1:1", "127.0.0.1:2"], fails).pick):
            with self.assertLogs("ahoy", "ERROR"), self.assertRaises(ahoy.NoEndpointsError) as raised:
                call()
            self.assertIsInstance(raised.exception.__cause__, LookupError)


class Readers(unittest.TestCase):
    """What a reader that is left has read and not given out is there for the next one."""

    @contextlib.contextmanager
    def stream(self, body, charset="utf-8"):
        kind = f"content-type: text/event-stream; charset={charset}"
        head = f"HTTP/1.1 200 OK\r\n{kind}\r\ncontent-length: {len(body)}\r\n\r\n"
        with answering(head.encode() + body) as (host, _), ahoy.Client([host]) as client:
            with client.stream("GET", "/") as response:
                yield response

    def test_events(self):
        with self.stream(b"data: 1\n\nid: 7\ndata: 2\n\ndata: 3\n\n") as response:
            self.assertEqual(next(response.events()).data, "1")
            self.assertEqual((next(response.events()).id, next(response.iter_lines())), ("7", "data: 3"))
            self.assertEqual((response.read(), response.read()), (b"\n", b""))

    def test_lines(self):
        with self.stream(b"a\r\nb\n\nc\r") as response:
            self.assertEqual([next(response.iter_lines()) for _ in range(3)], ["a", "b", ""])
            self.assertEqual((list(response.iter_lines()), list(response.iter_lines())), (["c\r"], []))

    def test_lines_in_pieces_of_any_length(self):
        body = "é\r\n\nb\nsome\nend".encode()
        for size in range(1, len(body) + 1):
            unread, found = Unread(lambda: "utf-8"), []
            for at in range(0, len(body), size):
                unread.pieces.append(body[at : at + size])
                found += iter(lambda: unread.line(False), None)
            self.assertEqual([*found, unread.line(True), unread.line(True)], ["é", "", "b", "some", "end", None])

    def test_events_in_pieces_of_any_length(self):
        body = b"data: a\r\ndata: b\r\n\r\ndata: c\r\rdata: d\n\ndata: cut"
        for size in range(1, len(body) + 1):
            unread, found = Unread(lambda: "utf-8"), []
            for at in range(0, len(body), size):
                unread.pieces.append(body[at : at + size])
                found += iter(lambda: unread.event(False), None)
            self.assertEqual([event.data for event in found], ["a\nb", "c", "d"])
            self.assertEqual(unread.line(True), "data: cut")

    def test_text_that_ends_within_a_character(self):
        unread = Unread(lambda: "utf-8")
        unread.pieces += [b"a\xc3", b"\xa9b"]
        self.assertEqual((unread.text(False), unread.text(False)), ("a", "éb"))
        unread.pieces += [b"a\xc3", b"\xa9b"]
        self.assertEqual((unread.text(False), unread.piece(), unread.piece()), ("a", b"\xc3", b"\xa9b"))
        unread.pieces.append(b"\xc3")
        self.assertEqual((unread.text(False), unread.text(True), unread.text(True)), ("", "\ufffd", None))

    def test_lines_whose_end_is_several_bytes_wide(self):
        body = "a\r\nĊ\nb\nc".encode("utf-16-le")
        with self.stream(body, "utf-16-le") as response:
            self.assertEqual([next(response.iter_lines()) for _ in range(2)], ["a", "Ċ"])
            self.assertEqual(response.read(), "b\nc".encode("utf-16-le"))
        with self.stream(body, "utf-16-le") as response:
            self.assertEqual((next(response.iter_lines()), list(response.iter_lines())), ("a", ["Ċ", "b", "c"]))


if __name__ == "__main__":
    unittest.main()
