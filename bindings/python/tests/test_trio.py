"""The same client in trio."""

import asyncio
import contextvars
import threading
import time
import unittest
import unittest.mock

import httpx
import trio
import trio.testing

import ahoy
import ahoy.httpx
from ahoy._library import lib
from support import PING_PONG, REFUSAL, TOO_LARGE, HeldFile, Served, Upload, counts, early, echo, ends, eventually, ping_pong


class Calls(Served, unittest.TestCase):
    kinds = ("ok", "refuse")

    def run_with_client(self, work):
        async def main():
            async with ahoy.AsyncClient(self.hosts, timeout=10) as client:
                await work(client)

        trio.run(main)

    def test_calls(self):
        async def work(client):
            self.assertEqual((await client.post("/body", json=[1])).json(), [1])
            with self.assertRaises(ahoy.DeadlineError):
                await client.get("/slow?ms=5000", timeout=0.1)
            answers = []

            async def one():
                answers.append((await client.get("/slow?ms=100")).text)

            begun = time.monotonic()
            async with trio.open_nursery() as nursery:
                for _ in range(200):
                    nursery.start_soon(one)
            self.assertEqual(answers, ["late"] * 200)
            self.assertLess(time.monotonic() - begun, 8)

        # Run after run.
        self.run_with_client(work)
        self.run_with_client(work)

    def test_log_and_events_come_in_the_loop(self):
        threads = []

        async def main():
            events = {"on_event": lambda event: threads.append(threading.get_ident())}
            async with ahoy.AsyncClient(self.hosts[1:], timeout=1, retry=False, **events) as client:
                with self.assertRaises(ahoy.Error):
                    await client.get("/ok")

        trio.run(main)
        self.assertEqual(set(threads), {threading.get_ident()})

    def test_streams(self):
        async def work(client):
            async with client.stream("GET", "/drip?n=5&ms=20") as response:
                pieces = [piece async for piece in response.aiter_bytes()]
            self.assertEqual(b"".join(pieces), b".....")
            self.assertGreater(len(pieces), 1)

        self.run_with_client(work)

    def test_a_body_that_comes_faster_than_it_is_read_may_be_cancelled(self):
        async def work(client):
            async with client.stream("GET", "/drip?n=500&ms=20") as response:
                response._reader._poll = lambda _: b"."
                with trio.move_on_after(0) as scope:
                    async for _ in response.aiter_bytes():
                        pass
                self.assertTrue(scope.cancelled_caught)

        self.run_with_client(work)

    def test_a_cancel_reaches_the_server(self):
        before = counts(self.ports[0])["broken_off"]

        async def work(client):
            await client.get("/ok")
            begun = time.monotonic()
            with trio.move_on_after(0.1) as scope:
                await client.get("/slow?ms=20000")
            self.assertTrue(scope.cancelled_caught)
            self.assertLess(time.monotonic() - begun, 1)
            # The queue goes on.
            self.assertEqual((await client.get("/ok")).text, "hello")

        self.run_with_client(work)
        eventually(lambda: counts(self.ports[0])["broken_off"] == before + 1)

    def test_a_body_that_stands_still_holds_no_call_beyond_its_limit(self):
        closed = []

        async def silent():
            try:
                yield b"first"
                await trio.sleep(60)
            finally:
                closed.append(1)

        async def work(client):
            with self.assertRaises(ahoy.DeadlineError):
                await client.post("/body", silent(), timeout=0.1)
            self.assertEqual(closed, [1])
            self.assertEqual((await client.get("/ok")).text, "hello")

        self.run_with_client(work)

    def test_an_upload_that_is_cancelled_and_one_whose_body_raises_are_told_apart(self):
        cancel = lib.ahoy_queue_cancel

        def cancel_late(*arguments):
            # By now the call has ended by whatever else has ended it.
            time.sleep(0.05)
            return cancel(*arguments)

        async def stands(makes_another):
            yield b"first"
            try:
                scope.cancel()
                await trio.sleep_forever()
            finally:
                if makes_another:
                    raise ZeroDivisionError

        async def fails():
            yield b"first"
            raise ZeroDivisionError

        async def main():
            nonlocal scope
            async with ahoy.AsyncClient(self.hosts[:1]) as client:
                with unittest.mock.patch.object(lib, "ahoy_queue_cancel", cancel_late):
                    for _ in range(2):
                        with trio.CancelScope() as scope:
                            await client.post("/body", stands(False))
                        self.assertTrue(scope.cancelled_caught)
                        with self.assertRaises(ZeroDivisionError), trio.CancelScope() as scope:
                            await client.post("/body", stands(True))
                await trio.to_thread.run_sync(eventually, lambda: ends(client) == {"cancelled": 4})
            async with ahoy.AsyncClient(self.hosts[:1]) as client:
                for _ in range(10):
                    with self.assertRaises(ZeroDivisionError):
                        await client.post("/body", fails())
                await trio.to_thread.run_sync(eventually, lambda: ends(client) == {"body_source": 10})

        scope = None
        trio.run(main)

    def test_a_plain_body_waits_beside_the_run(self):
        def body():
            yield b"first"
            has_waited.append(goes_on.wait(5))

        async def work(client):
            async with trio.open_nursery() as nursery:
                nursery.start_soon(client.post, "/body", body())
                self.assertEqual((await client.get("/ok")).text, "hello")
                goes_on.set()
            goes_on.clear()
            begun = time.monotonic()
            with self.assertRaises(ahoy.DeadlineError):
                await client.post("/body", body(), timeout=0.1)
            with trio.move_on_after(0.1):
                await client.post("/body", body())
            self.assertLess(time.monotonic() - begun, 4)
            goes_on.set()
            with echo() as (host, has_begun):

                def rest():
                    yield b"first"
                    has_begun.wait()
                    for _ in range(20):
                        yield b"x" * 65536

                async with ahoy.AsyncClient([host]) as other, other.stream("POST", "/", content=rest()) as response:
                    self.assertEqual(len(await response.aread()), 5 + 20 * 65536)

        has_waited, goes_on = [], threading.Event()
        self.run_with_client(work)
        self.assertTrue(all(has_waited))

    def feedings(self):
        """The tasks of the run that bring bodies."""
        nurseries = trio.lowlevel.current_root_task().child_nurseries
        return [task for nursery in nurseries for task in nursery.child_tasks if "_TrioFeeding" in task.name]

    def test_an_upload_goes_on_beside_its_answer(self):
        async def pieces():
            self.assertEqual(name.get(), "n")
            for _ in range(100):
                await trio.sleep(0)
                yield b"x" * 65536

        async def main():
            name.set("n")
            with echo() as (host, _):
                async with ahoy.AsyncClient([host]) as client:
                    async with client.stream("POST", "/", content=pieces(), idle_timeout=5) as response:
                        self.assertEqual(len(await response.aread()), 100 * 65536)
            with echo() as (host, _), trio.fail_after(10):
                async with ahoy.AsyncClient([host]) as client:
                    self.assertEqual(await ping_pong(client.stream, lambda r: r.aiter_bytes(), trio.Event), PING_PONG)
            self.assertEqual(self.feedings(), [])

        name = contextvars.ContextVar("name")
        trio.run(main)

    def test_an_early_answer_is_whole_and_ends_its_upload(self):
        async def main():
            for endless in (False, True):
                body = Upload(trio.sleep, endless)
                with early(REFUSAL) as (host, has_ended):
                    async with ahoy.AsyncClient([host], timeout=5) as client:
                        async with client.stream("POST", "/", content=body) as response:
                            self.assertFalse(body.closed)
                            self.assertEqual((response.status, await response.aread()), (413, TOO_LARGE))
                            await trio.to_thread.run_sync(eventually, lambda: body.closed and has_ended.is_set())

        trio.run(main)

    def test_an_answer_that_is_closed_or_cancelled_ends_its_upload(self):
        async def main():
            for cancelled in (False, True):
                for endless in (False, True):
                    body = Upload(trio.sleep, endless)
                    with echo() as (host, _):
                        async with ahoy.AsyncClient([host]) as client:
                            with trio.CancelScope() as scope:
                                async with client.stream("POST", "/", content=body) as response:
                                    self.assertFalse(body.closed)
                                    self.assertEqual(len(self.feedings()), 1)
                                    if cancelled:
                                        scope.cancel()
                                        await response.aread()
                            self.assertEqual((scope.cancelled_caught, body.closed), (cancelled, True))
                            self.assertEqual(self.feedings(), [])

        trio.run(main)

    def test_answers_may_be_closed_in_any_order_and_task(self):
        async def main():
            bodies = [Upload(trio.sleep) for _ in range(2)]
            with echo() as (one, _), echo() as (other, _):
                async with ahoy.AsyncClient([one]) as first, ahoy.AsyncClient([other]) as second:
                    streams = [c.stream("POST", "/", content=b) for c, b in zip((first, second), bodies)]
                    for stream in streams:
                        await stream.__aenter__()
                    await streams[0].__aexit__(None, None, None)
                    async with trio.open_nursery() as nursery:
                        nursery.start_soon(streams[1].__aexit__, None, None, None)
            self.assertEqual([body.closed for body in bodies], [True, True])

        trio.run(main)

    def test_an_upload_that_is_cancelled_before_its_answer_ends(self):
        async def work(client):
            body = Upload(trio.sleep)
            with trio.move_on_after(0.1) as scope:
                async with client.stream("POST", "/body", content=body):
                    pass
            self.assertEqual((scope.cancelled_caught, body.closed, self.feedings()), (True, True, []))
            body = Upload(trio.sleep)
            with self.assertRaises(ahoy.DeadlineError):
                async with client.stream("POST", "/body", content=body, timeout=0.1):
                    pass
            self.assertEqual((body.closed, self.feedings()), (True, []))

        self.run_with_client(work)

    def test_what_an_upload_raises_beside_its_answer_is_told_once(self):
        async def fails():
            yield b"first"
            await may_fail.wait()
            raise ZeroDivisionError

        async def main():
            nonlocal may_fail
            for reads in (True, False):
                may_fail = trio.Event()
                with echo() as (host, _):
                    async with ahoy.AsyncClient([host]) as client:
                        with self.assertRaises(ahoy.Error if reads else ZeroDivisionError) as caught:
                            async with client.stream("POST", "/", content=fails(), idle_timeout=5) as response:
                                may_fail.set()
                                await (response.aread() if reads else trio.sleep(0.05))
                if reads:
                    self.assertNotIsInstance(caught.exception, ahoy.TimeoutError)
                    self.assertIsInstance(caught.exception.__cause__, ZeroDivisionError)
            may_fail = trio.Event()
            may_fail.set()
            async with ahoy.AsyncClient(self.hosts[:1]) as client:
                with self.assertRaises(ZeroDivisionError):
                    async with client.stream("POST", "/body", content=fails()):
                        pass
                await trio.to_thread.run_sync(eventually, lambda: ends(client) == {"body_source": 1})

        may_fail = None
        trio.run(main)

    def test_a_client_is_closed_in_a_cancelled_scope(self):
        async def main():
            with trio.move_on_after(0.05):
                async with ahoy.AsyncClient(self.hosts[:1]) as client:
                    await client.get("/slow?ms=20000")
            with self.assertRaises(ahoy.ClosedError):
                await client.get("/ok")

        trio.run(main)

    def test_a_call_that_ends_amid_a_read_of_its_file_awaits_that_and_touches_it_no_more(self):
        async def work(client):
            file = HeldFile()

            async def call():
                with cancelled:
                    await client.post("/body", content=file)
                has_ended.set()

            cancelled, has_ended = trio.CancelScope(), trio.Event()
            async with trio.open_nursery() as nursery:
                nursery.start_soon(call)
                await trio.to_thread.run_sync(file.begun.wait, 5)
                with file.going_on_once_left():
                    cancelled.cancel()
                    await has_ended.wait()
                self.assertEqual((file.reads, file.is_read), (1, False))

        self.run_with_client(work)

    def test_a_close_waits_for_no_thread_that_others_hold(self):
        async def main():
            client, goes_on = ahoy.AsyncClient(self.hosts[:1]), threading.Event()
            trio.to_thread.current_default_thread_limiter().total_tokens = 1
            async with trio.open_nursery() as nursery:
                nursery.start_soon(trio.to_thread.run_sync, goes_on.wait, 20)
                await trio.testing.wait_all_tasks_blocked()
                with trio.move_on_after(5) as scope:
                    await client.aclose(1)
                goes_on.set()
            self.assertFalse(scope.cancelled_caught)

        trio.run(main)

    def test_a_close_may_be_cancelled(self):
        ended = []

        async def main():
            client = ahoy.AsyncClient(self.hosts[:1])

            async def call():
                try:
                    await client.get("/slow?ms=20000", timeout=30)
                except ahoy.ClosedError as error:
                    ended.append(error)

            async with trio.open_nursery() as nursery:
                nursery.start_soon(call)
                await trio.testing.wait_all_tasks_blocked()
                begun = time.monotonic()
                with trio.move_on_after(0.05) as scope:
                    await client.aclose(20)
                self.assertTrue(scope.cancelled_caught)
                self.assertLess(time.monotonic() - begun, 4)

        trio.run(main)
        self.assertEqual(len(ended), 1)

    def test_httpx(self):
        async def main():
            transport = ahoy.httpx.AsyncTransport(self.hosts)
            async with httpx.AsyncClient(transport=transport, base_url="http://orders") as client:
                self.assertEqual((await client.get("/ok")).text, "hello")

                async def pieces():
                    for i in range(50):
                        await trio.sleep(0)
                        yield b"%d," % i

                self.assertEqual((await client.post("/body", content=pieces())).text.count(","), 50)
                files = {"f": ("n.txt", b"content")}
                fields = dict((await client.post("/echo", files=files)).json()["headers"])
                self.assertIn("content-length", {name.lower() for name in fields})

        trio.run(main)

    def test_trio_as_a_guest_of_asyncio(self):
        async def guest():
            async with ahoy.AsyncClient(self.hosts[:1]) as client:
                async with client.stream("GET", "/drip?n=5&ms=1") as response:
                    self.assertEqual(await response.aread(), b".....")
                with trio.move_on_after(0.05) as scope:
                    await client.get("/slow?ms=20000", timeout=30)
                return scope.cancelled_caught

        async def main():
            loop = asyncio.get_running_loop()
            ended = loop.create_future()
            trio.lowlevel.start_guest_run(
                guest, run_sync_soon_threadsafe=loop.call_soon_threadsafe, done_callback=ended.set_result
            )
            async with ahoy.AsyncClient(self.hosts[:1]) as client:
                text = (await client.get("/ok")).text
            return text, (await asyncio.wait_for(ended, 20)).unwrap()

        self.assertEqual(asyncio.run(main()), ("hello", True))


if __name__ == "__main__":
    unittest.main()
