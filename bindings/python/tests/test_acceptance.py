"""What Python's users expect of a client: one test for each check, see docs/languages/python.md.

AHOY_FIGURES=1 prints what was measured; AHOY_FULL=1 takes the numbers that are asked for.
"""

import asyncio
import gc
import importlib.metadata
import importlib.util
import os
import re
import signal
import subprocess
import sys
import textwrap
import threading
import time
import tracemalloc
import unittest

import ahoy
from ahoy._queue import LoopQueue
from support import HERE, Served, counts, eventually, kept, nginx, python


def full(usual, asked):
    """A number for each run, or the one that is asked for: `make acceptance-languages`."""
    return asked if os.environ.get("AHOY_FULL") else usual


# A quarter of them is what is measured.
CALLS = full(4000, 400_000)


def figure(text):
    if os.environ.get("AHOY_FIGURES"):
        print(text, file=sys.stderr)


def mypy_is_before(*version):
    try:
        found = importlib.metadata.version("mypy")
    except importlib.metadata.PackageNotFoundError:
        return True
    return tuple(map(int, found.split(".")[:2])) < version


def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


# The first lines of each program: the hosts whose ports it was given.
BEGINNING = """
    import sys, os, ahoy, time, signal, threading, asyncio
    hosts = [f"127.0.0.1:{port}" for port in sys.argv[1:]]
"""


class Acceptance(Served, unittest.TestCase):
    def program(self, text, **options):
        ended = python(textwrap.dedent(BEGINNING) + textwrap.dedent(text), *self.ports, **options)
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))
        return ended.stdout

    def test_01_import_takes_less_than_100_ms(self):
        program = "import time; b = time.perf_counter(); import ahoy; print(time.perf_counter() - b)"
        took = min(float(python(program).stdout) for _ in range(5))
        figure(f"01 import: {took * 1000:.0f} ms")
        self.assertLess(took, full(1, 0.1))

    @unittest.skipUnless(importlib.util.find_spec("mypy"), "mypy is not installed")
    def test_01_types_are_strict(self):
        command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", str(HERE / "typed_example.py")]
        if mypy_is_before(1, 7):
            command.append("--enable-incomplete-feature=Unpack")
        ended = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent / "src")
        self.assertEqual((ended.returncode, ended.stdout), (0, ""))

    @unittest.skipUnless(importlib.util.find_spec("mypy"), "mypy is not installed")
    @unittest.skipIf(mypy_is_before(1, 7), "this mypy reads no names of options")
    def test_01_types_find_a_misspelt_option(self):
        program = "import ahoy; c = ahoy.Client(); c.get('/', timeout=1); c.get('/', tiemout=1); c.post('/', b'', json=1)"
        command = [sys.executable, "-m", "mypy", "--strict", "--no-error-summary", "-c", program]
        ended = subprocess.run(command, capture_output=True, text=True, cwd=HERE.parent / "src")
        self.assertEqual(re.findall("error: (.*);", ended.stdout), ['Unexpected keyword argument "tiemout" for "get" of "Client"'])

    def test_02_awaits_share_their_wakes(self):
        # A server that takes longer for an answer than the loop does has each answer wake it.
        async def main(host, calls):
            async with ahoy.AsyncClient([host], timeout=60) as client:
                await client.get("/ok")
                queue = LoopQueue.of(asyncio.get_running_loop())
                threads, before = threading.active_count(), queue.wakes
                await asyncio.gather(*(client.get("/ok") for _ in range(calls)))
                self.assertEqual(threading.active_count(), threads)
                return (queue.wakes - before) * 1000 / calls

        with nginx() as host:
            wakes = asyncio.run(main(host, full(2000, 10_000)))
        figure(f"02 wakes of the loop: {wakes:.1f} for 1,000 calls")
        self.assertLess(wakes, full(400, 20))

    def test_03_a_cancel_returns_at_once_and_reaches_the_server(self):
        async def main():
            async with ahoy.AsyncClient(self.hosts) as client:
                task = asyncio.ensure_future(client.get("/slow?ms=10000"))
                await asyncio.sleep(0.05)
                task.cancel()
                begun = time.monotonic()
                with self.assertRaises(asyncio.CancelledError):
                    await task
                return begun, time.monotonic() - begun

        before = counts(self.ports[0])["broken_off"]
        begun, took = asyncio.run(main())
        eventually(lambda: counts(self.ports[0])["broken_off"] == before + 1)
        figure(f"03 cancel: {took * 1000:.1f} ms, at the server below {(time.monotonic() - begun) * 1000:.0f} ms")
        self.assertLess(took, full(0.5, 0.02))

    @unittest.skipUnless(hasattr(asyncio, "timeout"), "asyncio.timeout is of Python 3.11")
    def test_03_a_limit_of_asyncio_ends_a_call(self):
        async def main():
            async with ahoy.AsyncClient(self.hosts) as client:
                begun = time.monotonic()
                with self.assertRaises(TimeoutError):
                    async with asyncio.timeout(0.05):
                        await client.get("/slow?ms=10000")
                return time.monotonic() - begun - 0.05

        before = counts(self.ports[0])["broken_off"]
        late = asyncio.run(main())
        eventually(lambda: counts(self.ports[0])["broken_off"] == before + 1)
        figure(f"03 asyncio.timeout: {late * 1000:.1f} ms late")
        self.assertLess(late, full(0.5, 0.02))

    def test_04_ctrl_c_ends_a_call(self):
        out = self.program(
            """
            def press():
                time.sleep(0.2)
                sent.append(time.monotonic())
                os.kill(os.getpid(), signal.SIGINT)
            sent = []
            signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
            with ahoy.Client(hosts) as client:
                for call in ("get", "stream"):
                    threading.Thread(target=press).start()
                    try:
                        if call == "get":
                            client.get("/slow?ms=8000")
                        else:
                            with client.stream("GET", "/drip?n=10&ms=2000") as response:
                                response.read()
                        sys.exit("answered")
                    except KeyboardInterrupt:
                        print(time.monotonic() - sent.pop())
            """
        )
        took = [float(line) for line in out.split()]
        figure(f"04 Ctrl-C: {took[0] * 1000:.0f} and {took[1] * 1000:.0f} ms")
        self.assertLess(max(took), full(1, 0.05))

    def test_04_a_handler_that_does_not_raise_ends_nothing(self):
        self.program(
            """
            seen = []
            signal.signal(signal.SIGALRM, lambda *_: seen.append(1))
            signal.setitimer(signal.ITIMER_REAL, 0.05, 0.05)
            with ahoy.Client(hosts) as client:
                assert client.get("/slow?ms=400").text == "late"
            signal.setitimer(signal.ITIMER_REAL, 0)
            assert len(seen) >= 4, seen
            """
        )

    def test_05_forks_of_every_kind(self):
        self.program(
            """
            import multiprocessing
            client = ahoy.Client(hosts)
            assert client.get("/ok").text == "hello"
            def child():
                for _ in range(20):
                    assert client.get("/ok").text == "hello"
                async def call():
                    async with ahoy.AsyncClient(hosts) as other:
                        return (await other.get("/ok")).text
                assert asyncio.run(call()) == "hello"
                client.close()
            begun = time.monotonic()
            children = [multiprocessing.get_context("fork").Process(target=child) for _ in range(8)]
            for c in children: c.start()
            for c in children: c.join(20)
            assert [c.exitcode for c in children] == [0] * 8, [c.exitcode for c in children]
            assert time.monotonic() - begun < 15
            assert client.get("/ok").text == "hello"
            client.close()
            """
        )

    def test_05_spawn_and_forkserver(self):
        ended = subprocess.run(
            [sys.executable, str(HERE / "processes.py"), *map(str, self.ports)], capture_output=True, text=True, timeout=60
        )
        self.assertEqual((ended.returncode, ended.stderr), (0, ""))

    def test_06_threads_wait_at_once(self):
        with ahoy.Client(self.hosts, timeout=20) as client:
            client.get("/ok")

            def work():
                for _ in range(3):
                    client.get("/slow?ms=100")

            threads = [threading.Thread(target=work) for _ in range(32)]
            begun = time.monotonic()
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            took = time.monotonic() - begun
        figure(f"06 32 threads: {32 * 0.3 / took:.0f} times one")
        self.assertGreater(32 * 0.3 / took, full(4, 8))

    def test_07_memory_stays_flat(self):
        with ahoy.Client(self.hosts, timeout=5) as client:

            def some(count):
                for i in range(count):
                    client.get("/ok")
                    if i % 10 == 0:
                        client.post("/body", [b"a", b"b"])
                    if i % 50 == 0:
                        with self.assertRaises(ahoy.InvalidArgumentError):
                            client.get("no path")
                        with self.assertRaises(ahoy.DeadlineError):
                            client.get("/slow?ms=1000", timeout=0.002)
                gc.collect()

            some(CALLS // 8)
            tracemalloc.start()
            before, traced = resident(), tracemalloc.get_traced_memory()[0]
            some(CALLS // 4)
            grown, kept = resident() - before, tracemalloc.get_traced_memory()[0] - traced
            tracemalloc.stop()
        figure(f"07 after {CALLS // 4} calls: {grown / 1024:.0f} KiB resident, {kept / 1024:.0f} KiB of Python's")
        self.assertLess(kept, 100_000)
        self.assertLess(grown, full(8 << 20, before // 20))

    def test_07_memory_stays_flat_in_asyncio(self):
        async def body():
            yield b"first"
            yield b"last"

        async def fails():
            yield b"first"
            raise ZeroDivisionError

        async def hangs():
            yield b"first"
            await asyncio.sleep(60)

        async def one(client, number):
            await client.get("/ok")
            if number % 10 == 0:
                await client.post("/body", body())
            if number % 50 == 0:
                with self.assertRaises(ZeroDivisionError):
                    await client.post("/body", fails())
                for cancelled in (client.post("/body", hangs()), client.get("/slow?ms=5000")):
                    with self.assertRaises(asyncio.TimeoutError):
                        await asyncio.wait_for(cancelled, 0.01)

        async def main():
            async with ahoy.AsyncClient(self.hosts, timeout=10) as client:

                async def some(count):
                    for _ in range(0, count, 50):
                        await asyncio.gather(*(one(client, number) for number in range(50)))
                    return kept()

                functions = await some(CALLS // 8)
                tracemalloc.start()
                before, traced = resident(), tracemalloc.get_traced_memory()[0]
                await some(CALLS // 4)
                await asyncio.to_thread(eventually, lambda: kept() <= functions)
                grown, python_s = resident() - before, tracemalloc.get_traced_memory()[0] - traced
                tracemalloc.stop()
                return before, grown, python_s

        before, grown, python_s = asyncio.run(main())
        figure(f"07 asyncio, {CALLS // 4} calls: {grown / 1024:.0f} KiB resident, {python_s / 1024:.0f} KiB of Python's")
        self.assertLess(python_s, 200_000)
        self.assertLess(grown, full(8 << 20, before // 20))

    def test_08_views_end_with_their_response(self):
        with ahoy.Client(self.hosts) as client:
            response = client.get("/ok")
            view = response.content_view
            self.assertTrue(view.readonly)
            response.close()
            with self.assertRaises(ValueError):
                view[0]

    def test_10_exit_with_calls_under_way_is_quiet_and_quick(self):
        begun = time.monotonic()
        self.program(
            """
            client = ahoy.Client(hosts, on_event=print, on_error=print)
            for _ in range(8):
                threading.Thread(target=lambda: client.get("/slow?ms=20000"), daemon=True).start()
            time.sleep(0.2)
            import warnings; warnings.simplefilter("ignore")
            """
        )
        took = time.monotonic() - begun
        figure(f"10 exit with calls under way: {took:.2f} s with Python's start")
        self.assertLess(took, full(5, 1))

    def test_10_quiet_with_development_mode_and_warnings_as_errors(self):
        self.program(
            """
            with ahoy.Client(hosts) as client:
                client.get("/ok").text
            async def main():
                async with ahoy.AsyncClient(hosts) as other:
                    await other.get("/ok")
            asyncio.run(main())
            """,
            options=("-X", "dev", "-W", "error"),
        )


if __name__ == "__main__":
    unittest.main()
