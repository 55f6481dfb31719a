"""What the tests share: the suite's server, and processes of their own."""

import contextlib
import gc
import json
import os
import pathlib
import queue
import shutil
import socket
import socketserver
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
import unittest.mock
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
SUITE = HERE.parent.parent / "suite"


@contextlib.contextmanager
def servers(*kinds):
    """Servers of these kinds; gives their ports."""
    command = [sys.executable, str(SUITE / "server.py"), *kinds]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield [int(port) for port in process.stdout.readline().split()]
        finally:
            process.stdin.close()


@contextlib.contextmanager
def nginx():
    """A server of 200s that takes little time of its own; gives its host."""
    port = free_port()
    with tempfile.TemporaryDirectory() as folder:
        config = pathlib.Path(folder, "nginx.conf")
        config.write_text(
            f"daemon off; pid {folder}/pid; events {{ worker_connections 4096; }} http {{ access_log off; server {{ "
            f"listen 127.0.0.1:{port} backlog=4096; location / {{ return 200 hello; }} }} }}"
        )
        command = [shutil.which("nginx") or "/usr/sbin/nginx", "-e", f"{folder}/error.log", "-p", folder, "-c", str(config)]
        with subprocess.Popen(command) as process:
            try:
                eventually(lambda: answers(port))
                yield f"127.0.0.1:{port}"
            finally:
                process.terminate()


@contextlib.contextmanager
def echo():
    """A server that answers one request before it has its body; gives its host, and an event that is set by then."""

    def serve():
        connection, _ = server.accept()
        with connection, connection.makefile("rb") as sent, contextlib.suppress(ConnectionError):
            while sent.readline() != b"\r\n":
                pass
            connection.sendall(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            has_begun.set()
            # A body that breaks off has no last piece, and its echo none either.
            for size in iter(sent.readline, b""):
                piece = sent.read(int(size, 16))
                sent.readline()
                connection.sendall(b"%x\r\n%s\r\n" % (len(piece), piece))

    has_begun = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", has_begun


def late_body(has_begun):
    """A body of which all but the beginning comes once the answer of echo has begun."""
    yield b"first"
    has_begun.wait()
    for _ in range(20):
        yield b"x" * 65536


class HeldFile:
    """A file of which one read waits until the test has it go on; what it tells is what touches it."""

    def __init__(self, quick=0):
        self.quick, self.reads, self.is_read = quick, 0, False
        self.begun, self.goes_on = threading.Event(), threading.Event()

    @contextlib.contextmanager
    def going_on_once_left(self, also=lambda: None):
        """Has the read go on soon after the end of its call has come to wait for it, and something else happen by then."""
        from ahoy._bodies import Drawn

        def rests(body, on_rest):
            also()
            threading.Timer(0.05, self.goes_on.set).start()
            return asked(body, on_rest)

        asked = Drawn.rests
        with unittest.mock.patch.object(Drawn, "rests", rests):
            yield

    def seekable(self):
        return False

    def read(self, _):
        self.reads, self.is_read = self.reads + 1, True
        if self.reads > self.quick:
            self.begun.set()
            self.goes_on.wait(20)
        self.is_read = False
        return b"x" * 100


@contextlib.contextmanager
def live_pipe():
    """A pipe to upload, whose second part is written once a server has the first; gives host, file, and what came too late."""

    def serve():
        connection, _ = server.accept()
        with connection:
            came = b""
            while not came.endswith(b"0\r\n\r\n"):
                came += connection.recv(65536)
                if b"first" in came:
                    has_first.set()
            connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    def write():
        with os.fdopen(target, "wb", buffering=0) as pipe:
            pipe.write(b"first")
            if not has_first.wait(5):
                late.append("first")
            pipe.write(b"second")

    has_first, late = threading.Event(), []
    source, target = os.pipe()
    with socket.create_server(("127.0.0.1", 0)) as server, os.fdopen(source, "rb") as file:
        threads = [threading.Thread(target=part, daemon=True) for part in (serve, write)]
        for thread in threads:
            thread.start()
        yield f"127.0.0.1:{server.getsockname()[1]}", file, late
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def early(answer):
    """A server that gives one request these bytes before it has its body; gives its host, and an event that its end sets."""

    def serve():
        connection, _ = server.accept()
        with connection, contextlib.suppress(ConnectionError):
            connection.recv(65536)
            connection.sendall(answer)
            while connection.recv(65536):
                pass
        has_ended.set()

    has_ended = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:
        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}", has_ended


async def ping_pong(stream, pieces, event):
    """Sends a body of which each piece waits for the echo of the one before; gives what came, and whether the body ended."""

    async def body():
        for i in range(20):
            yield b"%d;" % i
            await echoed[i].wait()
        ended.append(True)

    echoed, ended, came = [event() for _ in range(20)], [], b""
    async with stream("POST", "/", content=body()) as response:
        async for piece in pieces(response):
            came += piece
            for i in range(came.count(b";")):
                echoed[i].set()
    return came, ended


PING_PONG = b"".join(b"%d;" % i for i in range(20)), [True]
TOO_LARGE = b"x" * 300_000
REFUSAL = b"HTTP/1.1 413 Content Too Large\r\ncontent-length: 300000\r\n\r\n" + TOO_LARGE


class Upload:
    """An asynchronous body that waits after its beginning, or brings pieces without end, and tells of its end."""

    def __init__(self, sleep, endless=False):
        self.sleep, self.endless, self.closed = sleep, endless, False

    async def __aiter__(self):
        try:
            yield b"first"
            while True:
                await self.sleep(0 if self.endless else 60)
                yield b"x" * 65536
        finally:
            self.closed = True

    async def closes(self):
        """Whether it ends, in a turn of the loop to come: httpx has it in a generator that it drops."""
        for _ in range(5000):
            if self.closed:
                break
            await self.sleep(0.001)
        return self.closed


def answers(port):
    """Whether somebody listens at a port."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


class Served:
    """A test case with servers of these kinds."""

    kinds = ("ok",)

    @classmethod
    def setUpClass(cls):
        cls.running = servers(*cls.kinds)
        cls.ports = cls.running.__enter__()
        cls.hosts = [f"127.0.0.1:{port}" for port in cls.ports]

    @classmethod
    def tearDownClass(cls):
        cls.running.__exit__(None, None, None)


@contextlib.contextmanager
def answering(answer):
    """A server that gives these bytes to each request; gives its host, and what the requests were as they come."""
    heads = queue.Queue()

    class Handler(socketserver.StreamRequestHandler):
        def handle(self):
            while line := self.rfile.readline():
                head = [line]
                while head[-1].strip():
                    head.append(self.rfile.readline())
                heads.put(b"".join(head))
                self.wfile.write(answer)

    class Server(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        try:
            yield f"127.0.0.1:{server.server_address[1]}", heads
        finally:
            server.shutdown()


def counts(port):
    """What a server saw."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/counts") as answer:
        return json.load(answer)


def kept():
    """How many functions the library holds: those of bodies go with their requests."""
    # Here, since what only starts servers needs no library.
    from ahoy import _callbacks

    gc.collect()
    return len(_callbacks._kept)


def ends(client):
    """How many calls of a client ended in each way."""
    calls = [sample for sample in client.statistics() if "call_duration" in sample.name]
    return {call.labels["error_type"]: call.buckets[-1][1] for call in calls}


def eventually(condition, seconds=5):
    """Waits until a condition holds; gives the seconds that it took."""
    begun = time.monotonic()
    while not condition():
        if time.monotonic() - begun > seconds:
            raise AssertionError(f"not after {seconds} s")
        time.sleep(0.002)
    return time.monotonic() - begun


def python(program, *arguments, timeout=60, options=(), **environment):
    """Runs a program in a Python of its own; gives the ended process."""
    return subprocess.run(
        [sys.executable, *options, "-c", textwrap.dedent(program), *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=timeout,
        env={**os.environ, **environment},
    )
