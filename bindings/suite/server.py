#!/usr/bin/env python3
"""The server that every binding is tested against.

    server.py [KIND ...]     listens on free ports of loopback, prints them in a line, ends with its standard input

A KIND is `ok`, `refuse` (a port where nobody listens), `hang` (no request is answered), `503`, or `service` (any other
path answers 200 too). Paths:

    /ok              200, "hello"
    /slow?ms=N       200 after N milliseconds
    /status?c=N      status N
    /flaky?n=N&key=K 503 for the first N requests with this key, then 200
    /drip?n=N&ms=M   N bytes, one every M milliseconds; with &chunked=1 in chunks, without a length
    /reset           a reset after the request was read
    /cut?n=N         a body that is N bytes short of its length
    /echo            the request: method, target, headers and body, as JSON
    /body            the request's body as it came
    /big?n=N         N bytes
    /events          three server-sent events
    /redirect?to=U   302
    /gzip            200, "hello" compressed
    /cookie          200, sets the cookie a=1
    /counts          what was seen: requests by path, exchanges that the client broke off, and how many bytes of the
                     last /big its program took from its kernel
"""

import asyncio
import collections
import gzip
import json
import os
import socket
import struct
import sys
from urllib.parse import parse_qs, urlsplit


class Server:
    def __init__(self, kind):
        self.kind = kind
        self.requests = collections.Counter()
        self.keys = collections.Counter()
        self.broken_off = 0
        self.written = 0
        self.big = None

    async def serve(self, reader, writer):
        try:
            while await self.exchange(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def exchange(self, reader, writer):
        head = await reader.readuntil(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")[:-2]
        method, target, _ = first.split(" ")
        headers = [tuple(line.split(": ", 1)) if ": " in line else (line.rstrip(":"), "") for line in lines]
        fields = {name.lower(): value for name, value in headers}
        body = await self.body(reader, fields)
        url = urlsplit(target)
        query = {key: values[0] for key, values in parse_qs(url.query).items()}
        if url.path != "/counts":
            self.requests[url.path] += 1
        if self.kind == "hang":
            await self.watched(reader, 60)
            return False
        if self.kind.isdigit() and url.path != "/counts":
            return self.answer(writer, int(self.kind), b"as told", method)
        handler = getattr(self, "on_" + url.path.strip("/"), None)
        if handler is None and self.kind == "service":
            return self.answer(writer, 200, b'{"orders": [1, 2]}', method, ["content-type: application/json"])
        if handler is None:
            return self.answer(writer, 404, b"no such path", method)
        seen = {"method": method, "target": target, "headers": headers, "body": body.decode("latin-1")}
        return await handler(reader, writer, method, query, seen)

    async def body(self, reader, fields):
        if fields.get("transfer-encoding", "").lower() == "chunked":
            pieces = []
            while size := int(await reader.readuntil(b"\r\n"), 16):
                pieces.append(await reader.readexactly(size))
                await reader.readexactly(2)
            await reader.readexactly(2)
            return b"".join(pieces)
        return await reader.readexactly(int(fields.get("content-length", 0)))

    def answer(self, writer, status, body, method="GET", extra=()):
        head = [f"HTTP/1.1 {status} Status", f"content-length: {len(body)}", *extra, "", ""]
        writer.write("\r\n".join(head).encode("latin-1") + (b"" if method == "HEAD" else body))
        return True

    async def watched(self, reader, seconds):
        """Waits; False where the client closed its connection meanwhile."""
        try:
            closed = asyncio.ensure_future(reader.read(1))
            done, _ = await asyncio.wait({closed}, timeout=seconds)
            if done:
                self.broken_off += 1
                return False
            closed.cancel()
            await asyncio.gather(closed, return_exceptions=True)
            return True
        except ConnectionError:
            self.broken_off += 1
            return False

    async def on_ok(self, reader, writer, method, query, seen):
        return self.answer(writer, 200, b"hello", method)

    async def on_slow(self, reader, writer, method, query, seen):
        if not await self.watched(reader, int(query.get("ms", 100)) / 1000):
            return False
        return self.answer(writer, 200, b"late", method)

    async def on_status(self, reader, writer, method, query, seen):
        return self.answer(writer, int(query["c"]), b"as asked", method)

    async def on_flaky(self, reader, writer, method, query, seen):
        key = query.get("key", "")
        self.keys[key] += 1
        well = self.keys[key] > int(query.get("n", 1))
        return self.answer(writer, 200 if well else 503, b"at last" if well else b"not yet", method)

    async def on_drip(self, reader, writer, method, query, seen):
        count = int(query.get("n", 5))
        chunked = "chunked" in query
        framing = "transfer-encoding: chunked" if chunked else f"content-length: {count}"
        writer.write(f"HTTP/1.1 200 OK\r\n{framing}\r\n\r\n".encode())
        for left in range(count, 0, -1):
            writer.write(b"1\r\n.\r\n" if chunked else b".")
            await writer.drain()
            # After the last byte the next request may come, which is no end.
            if left > 1 and not await self.watched(reader, int(query.get("ms", 10)) / 1000):
                return False
        if chunked:
            writer.write(b"0\r\n\r\n")
        return True

    async def on_cookie(self, reader, writer, method, query, seen):
        return self.answer(writer, 200, b"", method, ["set-cookie: a=1; Path=/"])

    async def on_reset(self, reader, writer, method, query, seen):
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()
        return False

    async def on_cut(self, reader, writer, method, query, seen):
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {10 + int(query.get('n', 5))}\r\n\r\n0123456789".encode())
        await writer.drain()
        return False

    async def on_echo(self, reader, writer, method, query, seen):
        return self.answer(writer, 200, json.dumps(seen).encode(), method, ["content-type: application/json"])

    async def on_body(self, reader, writer, method, query, seen):
        return self.answer(writer, 200, seen["body"].encode("latin-1"), method)

    async def on_big(self, reader, writer, method, query, seen):
        count = int(query.get("n", 1 << 20))
        writer.write(f"HTTP/1.1 200 OK\r\ncontent-length: {count}\r\n\r\n".encode())
        piece = b"x" * 65536
        self.big, self.written = writer, 0
        while count > 0:
            writer.write(piece[:count])
            self.written += min(count, len(piece))
            count -= len(piece)
            await writer.drain()
        return True

    def taken(self):
        """What the client's program took of the last big body: all that was written, but for what still lies in this
        process and in the two kernels, which keep as much as they like for a slow reader (32 MiB and more)."""
        if self.big is None:
            return 0
        waiting = self.big.transport.get_write_buffer_size()
        ends = {self.big.get_extra_info(name)[1] for name in ("sockname", "peername")}
        with open("/proc/net/tcp") as table:
            for _, local, remote, _, queues, *_ in map(str.split, list(table)[1:]):
                if {int(end.split(":")[1], 16) for end in (local, remote)} == ends:
                    waiting += sum(int(size, 16) for size in queues.split(":"))
        return self.written - waiting

    async def on_events(self, reader, writer, method, query, seen):
        events = b"data: one\n\nevent: second\nid: 7\ndata: two\ndata: lines\n\n: a comment\n\ndata: three\n\n"
        return self.answer(writer, 200, events, method, ["content-type: text/event-stream"])

    async def on_redirect(self, reader, writer, method, query, seen):
        return self.answer(writer, 302, b"", method, [f"location: {query['to']}"])

    async def on_gzip(self, reader, writer, method, query, seen):
        return self.answer(writer, 200, gzip.compress(b"hello"), method, ["content-encoding: gzip"])

    async def on_counts(self, reader, writer, method, query, seen):
        counts = {"requests": self.requests, "broken_off": self.broken_off, "taken": self.taken()}
        return self.answer(writer, 200, json.dumps(counts).encode(), method)


async def main(kinds):
    ports, running = [], []
    for kind in kinds or ["ok"]:
        if kind == "refuse":
            with socket.socket() as unused:
                unused.bind(("127.0.0.1", 0))
                ports.append(unused.getsockname()[1])
        else:
            server = Server(kind)
            listening = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=4096)
            running.append(listening)
            ports.append(listening.sockets[0].getsockname()[1])
    # In one piece: a reader may take what comes first for all.
    print(" ".join(map(str, ports)), flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
    # At once: what is still under way has nobody to answer to.
    os._exit(0)


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
