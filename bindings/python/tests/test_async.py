"""The client for asyncio, as its user sees it."""

import asyncio
import concurrent.futures
import contextlib
import contextvars
import gc
import io
import logging
import socket
import threading
import time
import unittest
import unittest.mock
import weakref
from unittest import mock

import ahoy
from ahoy._library import lib
from ahoy._queue import LoopQueue
from ahoy.request import build
from support import (
    PING_PONG,
    REFUSAL,
    TOO_LARGE,
    HeldFile,
    Served,
    Upload,
    counts,
    early,
    echo,
    ends,
    eventually,
    kept,
    late_body,
    live_pipe,
    ping_pong,
)


class Calls(Served, unittest.IsolatedAsyncioTestCase):
    kinds = ("ok", "refuse")

    async def asyncSetUp(self):
        self.client = ahoy.AsyncClient(self.hosts, timeout=10)

    async def asyncTearDown(self):
        await self.client.aclose()

    async def test_calls(self):
        self.assertEqual((await self.client.get("/ok")).text, "hello")
        self.assertEqual((await self.client.post("/body", json=[1])).json(), [1])
        with self.assertRaises(ahoy.DeadlineError):
            await self.client.get("/slow?ms=5000", timeout=0.1)

    async def test_many_at_once_wake_the_loop_seldom_and_need_no_thread(self):
        await self.client.get("/ok")
        threads, queue = threading.active_count(), LoopQueue.of(asyncio.get_running_loop())
        before = queue.wakes
        answers = await asyncio.gather(*(self.client.get("/slow?ms=100") for _ in range(500)))
        self.assertEqual({answer.text for answer in answers}, {"late"})
        self.assertEqual(threading.active_count(), threads)
        # The server answers one by one, so the loop is woken more often than where answers come together.
        self.assertLess(queue.wakes - before, 250)

    async def test_a_cancelled_call_ends_at_the_server(self):
        client = ahoy.AsyncClient(self.hosts[:1])
        before = counts(self.ports[0])["broken_off"]
        begun = time.monotonic()
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(client.get("/slow?ms=10000"), 0.05)
        self.assertLess(time.monotonic() - begun, 2)
        took = await asyncio.to_thread(eventually, lambda: counts(self.ports[0])["broken_off"] == before + 1)
        self.assertLess(took, 1)
        await client.aclose()

    async def test_a_stream(self):
        async with self.client.stream("GET", "/drip?n=5&ms=20") as response:
            self.assertEqual(response.status, 200)
            pieces = [piece async for piece in response.aiter_bytes()]
        self.assertEqual(b"".join(pieces), b".....")
        self.assertGreater(len(pieces), 1)
        async with self.client.stream("GET", "/events") as response:
            self.assertEqual([e.data async for e in response.events()], ["one", "two\nlines", "three"])

    async def test_a_timeout_is_one_of_asyncio_s(self):
        with self.assertRaises(asyncio.TimeoutError):
            await self.client.get("/slow?ms=5000", timeout=0.05)
        self.assertTrue(issubclass(ahoy.DeadlineError, (TimeoutError, ahoy.Error)))

    async def test_a_body_that_comes_faster_than_it_is_read_lets_other_tasks_run(self):
        async with self.client.stream("GET", "/drip?n=500&ms=20") as response:
            response._reader._poll = lambda _: b"."
            other = asyncio.ensure_future(asyncio.sleep(0))
            pieces = 0
            async for _ in response.aiter_bytes():
                pieces += 1
                if other.done() or pieces == 1000:
                    break
            self.assertLess(pieces, 10)

    async def test_a_read_that_is_cancelled_beside_a_body_that_is_there_ends(self):
        async with self.client.stream("GET", "/drip?n=500&ms=20") as response:
            response._reader._poll = lambda _: b"."
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(response.aread(), 0.01)

    async def test_a_stream_that_is_left_is_cut_at_the_server(self):
        before = counts(self.ports[0])["broken_off"]
        async with self.client.stream("GET", "/drip?n=500&ms=20") as response:
            await response.aiter_bytes().__anext__()
        await asyncio.to_thread(eventually, lambda: counts(self.ports[0])["broken_off"] == before + 1)

    async def test_a_stream_that_is_closed_beside_its_reader(self):
        async with self.client.stream("GET", "/drip?n=2&ms=5000") as response:
            reader = asyncio.ensure_future(response.aread())
            await asyncio.sleep(0.05)
            response.close()
            with self.assertRaises(ahoy.ClosedError):
                await asyncio.wait_for(reader, 2)

    async def test_a_close_just_before_the_wait_for_bytes_frees_nothing_that_is_in_use(self):
        async with self.client.stream("GET", "/drip?n=2&ms=5000") as response:
            notify, given = lib.ahoy_response_notify, []

            def closed_meanwhile(handle, *rest):
                response.close()
                given.append(handle.pointer)
                return notify(handle, *rest)

            with mock.patch.object(lib, "ahoy_response_notify", closed_meanwhile):
                with self.assertRaises(ahoy.ClosedError):
                    await response.aread()
        self.assertTrue(all(given))

    async def test_it_works_in_loop_after_loop(self):
        def in_a_loop_of_its_own():
            async def call():
                return (await self.client.get("/ok")).text

            return [asyncio.run(call()) for _ in range(3)]

        self.assertEqual(await asyncio.to_thread(in_a_loop_of_its_own), ["hello"] * 3)

    async def test_log_and_events_come_in_the_loop(self):
        told, logger = [], logging.getLogger("test_async")
        handler = logging.Handler()
        handler.emit = lambda record: told.append((record.name, threading.get_ident()))
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
        self.addCleanup(logger.removeHandler, handler)

        def on_event(event):
            told.append(("event", threading.get_ident()))

        client = ahoy.AsyncClient(self.hosts, timeout=5, logger=logger, on_event=on_event)
        await asyncio.gather(*(client.get("/ok") for _ in range(20)))
        await client.aclose()
        self.assertEqual({name for name, _ in told}, {"test_async", "event"})
        self.assertEqual({thread for _, thread in told}, {threading.get_ident()})

    async def test_events_come_also_where_the_loop_has_ended(self):
        told = []

        def elsewhere():
            async def call():
                await client.get("/ok")

            client = ahoy.AsyncClient(self.hosts[:1], on_event=told.append, warn_unclosed=False)
            asyncio.run(call())
            before = len(told)
            client.balancer.endpoints()[0].open_circuit()
            return len(told) - before

        self.assertGreater(await asyncio.to_thread(elsewhere), 0)

    async def test_a_body_that_is_brought_while_it_is_sent(self):
        async def pieces(count):
            for i in range(count):
                await asyncio.sleep(0)
                yield b"%d," % i + b"x" * 1000

        for count in (0, 1, 300):
            answer = await self.client.post("/echo", pieces(count))
            sent = "".join(f"{i}," + "x" * 1000 for i in range(count))
            self.assertEqual(answer.json()["body"], sent)

        async def large():
            for _ in range(4):
                yield b"y" * 300_000

        self.assertEqual(len((await self.client.put("/echo", large())).json()["body"]), 1_200_000)

    async def test_a_plain_body_waits_beside_the_loop_and_has_the_callers_context(self):
        def body():
            yield name.get().encode()
            threads.append(threading.get_ident())
            has_waited.append(goes_on.wait(5))
            yield b","

        threads, has_waited, goes_on, name = [], [], threading.Event(), contextvars.ContextVar("name")
        name.set("n")
        calls = [asyncio.ensure_future(self.client.post("/body", body())) for _ in range(3)]
        await asyncio.to_thread(eventually, lambda: len(threads) == 3)
        self.assertEqual((await self.client.get("/ok")).text, "hello")
        goes_on.set()
        self.assertEqual([(await call).text for call in calls], ["n,"] * 3)
        self.assertEqual(has_waited, [True] * 3)
        self.assertNotIn(threading.get_ident(), threads)

    async def test_what_a_plain_body_raises_is_the_cause(self):
        def fails():
            yield b"first"
            raise ZeroDivisionError

        before = kept()
        with self.assertRaises(ahoy.BodySourceError) as caught:
            await self.client.post("/body", fails())
        self.assertIsInstance(caught.exception.__cause__, ZeroDivisionError)
        del caught
        await asyncio.to_thread(eventually, lambda: kept() <= before)

    async def test_a_plain_body_that_stands_still_holds_no_call_beyond_its_limit(self):
        def silent():
            yield b"first"
            goes_on.wait(20)
            yield b"second"

        goes_on = threading.Event()
        begun = time.monotonic()
        with self.assertRaises(ahoy.DeadlineError):
            await self.client.post("/body", silent(), timeout=0.1)
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(self.client.post("/body", silent()), 0.1)
        self.assertLess(time.monotonic() - begun, 5)
        goes_on.set()

    async def test_a_call_that_ends_amid_a_read_of_its_file_awaits_that_and_touches_it_no_more(self):
        for ended in (asyncio.CancelledError, ahoy.DeadlineError):
            file, is_cancelled = HeldFile(), ended is asyncio.CancelledError
            call = asyncio.ensure_future(self.client.post("/body", content=file, timeout=10 if is_cancelled else 0.1))
            await asyncio.to_thread(file.begun.wait, 5)
            if is_cancelled:
                call.cancel()
            # Once more, as anyio does.
            with file.going_on_once_left(call.cancel), self.assertRaises((ended, asyncio.CancelledError)):
                await call
            self.assertEqual((file.reads, file.is_read), (1, False))

    async def test_a_read_that_lasts_holds_the_end_of_its_call_for_a_moment(self):
        file, begun = HeldFile(), time.monotonic()
        with self.assertRaises(ahoy.DeadlineError):
            await self.client.post("/body", content=file, timeout=0.05)
        self.assertLess(time.monotonic() - begun, 5)
        file.goes_on.set()
        await asyncio.to_thread(eventually, lambda: not file.is_read)
        self.assertEqual(file.reads, 1)

    async def test_a_stream_that_ends_amid_a_read_of_its_file_awaits_that_and_touches_it_no_more(self):
        file = HeldFile(quick=1)
        with early(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n") as (host, _):
            async with ahoy.AsyncClient([host]) as client:
                with file.going_on_once_left():
                    async with client.stream("POST", "/", content=file):
                        await asyncio.to_thread(file.begun.wait, 5)
                self.assertEqual((file.reads, file.is_read), (2, False))

    async def test_what_is_live_is_sent_as_it_comes(self):
        with live_pipe() as (host, file, late):
            async with ahoy.AsyncClient([host], timeout=10) as client:
                self.assertEqual((await client.post("/", content=file)).status, 200)
        self.assertEqual(late, [])

    async def test_what_a_reader_that_is_left_has_not_given_out_is_there_for_the_next_one(self):
        body = b"data: 1\n\ndata: 2\n\nlast"
        with early(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%s" % (len(body), body)) as (host, _):
            async with ahoy.AsyncClient([host]) as client, client.stream("GET", "/") as response:
                self.assertEqual([(await response.events().__anext__()).data for _ in range(2)], ["1", "2"])
                self.assertEqual([text async for text in response.aiter_text()], ["last"])
                self.assertEqual(await response.aread(), b"")

    async def test_a_file_is_sent_from_its_place_also_by_a_further_attempt(self):
        def second_goes_elsewhere(request):
            if request.attempt == 2:
                request.path = "/body"

        async with ahoy.AsyncClient(self.hosts[:1], on_request=second_goes_elsewhere) as client:
            file = io.BytesIO(b"head" + b"x" * 300_000)
            file.seek(4)
            response = await client.put("/status?c=503", file)
        self.assertEqual((len(response.attempts), response.content), (2, b"x" * 300_000))

    async def test_a_server_that_answers_before_it_has_the_body_gets_the_rest(self):
        with echo() as (host, has_begun):
            async with ahoy.AsyncClient([host]) as client:
                async with client.stream("POST", "/", content=late_body(has_begun)) as response:
                    self.assertEqual(len(await response.aread()), 5 + 20 * 65536)

    async def test_an_upload_goes_on_beside_its_answer(self):
        async def pieces():
            for _ in range(100):
                yield b"x" * 65536

        async def late_pieces():
            async for piece in pieces():
                await asyncio.sleep(0.001)
                yield piece

        for content in (pieces(), late_pieces()):
            with echo() as (host, _):
                async with ahoy.AsyncClient([host]) as client:
                    async with client.stream("POST", "/", content=content, idle_timeout=5) as response:
                        self.assertEqual(len(await response.aread()), 100 * 65536)
        with echo() as (host, _):
            async with ahoy.AsyncClient([host]) as client:
                came = await asyncio.wait_for(ping_pong(client.stream, lambda r: r.aiter_bytes(), asyncio.Event), 10)
        self.assertEqual(came, PING_PONG)
        self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()})

    async def test_an_early_answer_is_whole_and_ends_its_upload(self):
        for endless in (False, True):
            body = Upload(asyncio.sleep, endless)
            with early(REFUSAL) as (host, has_ended):
                async with ahoy.AsyncClient([host], timeout=5) as client:
                    async with client.stream("POST", "/", content=body) as response:
                        self.assertFalse(body.closed)
                        self.assertEqual((response.status, await response.aread()), (413, TOO_LARGE))
                        await asyncio.to_thread(eventually, lambda: body.closed and has_ended.is_set())
        self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()})

    async def test_an_answer_that_is_closed_ends_its_upload(self):
        for endless in (False, True):
            body = Upload(asyncio.sleep, endless)
            with early(REFUSAL) as (host, has_ended):
                async with ahoy.AsyncClient([host]) as client:
                    async with client.stream("POST", "/", content=body):
                        self.assertFalse(body.closed)
                    self.assertTrue(body.closed)
                    self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()})
                    await asyncio.to_thread(eventually, has_ended.is_set)

    async def test_an_upload_ends_with_its_client_and_with_an_answer_that_is_dropped(self):
        for dropped in (False, True):
            body = Upload(asyncio.sleep)
            with echo() as (host, _):
                client = ahoy.AsyncClient([host])
                response = await client.stream("POST", "/", content=body).__aenter__()
                gc.collect()
                self.assertFalse(body.closed)
                if dropped:
                    del response
                    gc.collect()
                else:
                    await client.aclose()
                await asyncio.to_thread(eventually, lambda: body.closed)
                await client.aclose()
        self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()})

    async def test_an_upload_ends_with_a_reader_that_is_cancelled(self):
        async def sent():
            async with client.stream("POST", "/", content=body) as response:
                await response.aread()

        for cancels in (1, 20):
            body = Upload(asyncio.sleep)
            with echo() as (host, _):
                async with ahoy.AsyncClient([host]) as client:
                    task = asyncio.ensure_future(sent())
                    await asyncio.sleep(0.1)
                    self.assertFalse(body.closed)
                    for _ in range(cancels):
                        task.cancel()
                        await asyncio.sleep(0)
                    with self.assertRaises(asyncio.CancelledError):
                        await task
                    self.assertTrue(body.closed)
        self.assertEqual(asyncio.all_tasks(), {asyncio.current_task()})

    async def test_what_an_upload_raises_beside_its_answer_is_told_once(self):
        async def fails(error):
            yield b"first"
            await may_fail.wait()
            raise error

        before = kept()
        for error, reads in ((ZeroDivisionError, True), (ZeroDivisionError, False), (asyncio.CancelledError, True)):
            may_fail = asyncio.Event()
            with echo() as (host, _):
                async with ahoy.AsyncClient([host]) as client:
                    with self.assertRaises(ahoy.Error if reads else error) as caught:
                        async with client.stream("POST", "/", content=fails(error), idle_timeout=5) as response:
                            may_fail.set()
                            await (response.aread() if reads else asyncio.sleep(0.05))
            self.assertNotIsInstance(caught.exception, ahoy.TimeoutError)
            if reads and error is ZeroDivisionError:
                self.assertIsInstance(caught.exception.__cause__, ZeroDivisionError)
        del caught, response
        await asyncio.to_thread(eventually, lambda: kept() <= before)

    async def test_what_an_upload_raises_is_kept_beside_the_exception_of_its_block(self):
        async def fails():
            yield b"first"
            await may_fail.wait()
            raise ZeroDivisionError

        may_fail = asyncio.Event()
        with echo() as (host, _):
            async with ahoy.AsyncClient([host]) as client:
                with self.assertRaises(KeyError) as caught:
                    async with client.stream("POST", "/", content=fails()):
                        may_fail.set()
                        await asyncio.sleep(0.05)
                        raise KeyError
        self.assertIsInstance(caught.exception.__context__, ZeroDivisionError)

    async def test_a_body_that_closes_its_own_answer_does_not_wait_for_itself(self):
        async def body():
            yield b"first"
            await begun.wait()
            await streaming.__aexit__(None, None, None)

        begun = asyncio.Event()
        with echo() as (host, _):
            async with ahoy.AsyncClient([host]) as client:
                streaming = client.stream("POST", "/", content=body())
                response = await streaming.__aenter__()
                begun.set()
                with self.assertRaises(ahoy.ClosedError):
                    await asyncio.wait_for(response.aread(), 5)
                await streaming.__aexit__(None, None, None)

    async def test_a_body_that_raises_ends_the_call(self):
        async def fails():
            yield b"first"
            raise ZeroDivisionError

        async def slow():
            yield b"first"
            await asyncio.sleep(60)

        before = kept()
        for _ in range(5):
            with self.assertRaises(ZeroDivisionError):
                await self.client.post("/body", fails())
            with self.assertRaises(asyncio.TimeoutError):
                await asyncio.wait_for(self.client.post("/body", slow()), 0.02)
        self.assertEqual((await self.client.get("/ok")).text, "hello")
        await asyncio.to_thread(eventually, lambda: kept() <= before)
        with self.assertRaises(TypeError), ahoy.Client(self.hosts) as client:
            client.post("/body", slow())
        self.assertEqual((await self.client.get("/ok")).text, "hello")

    async def test_an_upload_that_is_cancelled_is_told_as_cancelled(self):
        cancel = lib.ahoy_queue_cancel

        def cancel_late(*arguments):
            # By now the call has ended by whatever else has ended it.
            time.sleep(0.05)
            return cancel(*arguments)

        def raise_again():
            raise

        def make_another():
            raise ZeroDivisionError

        async def body(at_end):
            yield b"first"
            stands.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                at_end()

        async with ahoy.AsyncClient(self.hosts[:1]) as client:
            with mock.patch.object(lib, "ahoy_queue_cancel", cancel_late):
                for at_end in (raise_again, make_another) * 2:
                    stands = asyncio.Event()
                    task = asyncio.ensure_future(client.post("/body", body(at_end)))
                    await stands.wait()
                    task.cancel()
                    with self.assertRaises(asyncio.CancelledError):
                        await task
            await asyncio.to_thread(eventually, lambda: ends(client) == {"cancelled": 4})

    async def test_an_upload_whose_body_raises_is_told_as_failed_by_it(self):
        async def fails(error):
            yield b"first"
            raise error

        async with ahoy.AsyncClient(self.hosts[:1]) as client:
            for error in (ZeroDivisionError, asyncio.CancelledError) * 5:
                with self.assertRaises(error):
                    await client.post("/body", fails(error))
            await asyncio.to_thread(eventually, lambda: ends(client) == {"body_source": 10})

    async def test_a_body_that_raises_where_no_server_takes_it_is_not_held_for_long(self):
        async def fails():
            yield b"first"
            raise ZeroDivisionError

        with socket.socket() as full, socket.socket() as other:
            # The one connection that it has room for is there: a further one is neither made nor refused.
            full.bind(("127.0.0.1", 0))
            full.listen(0)
            other.connect(full.getsockname())
            async with ahoy.AsyncClient([f"127.0.0.1:{full.getsockname()[1]}"]) as client:
                begun = time.monotonic()
                with mock.patch("ahoy._queue.FAILS_WITHIN", 0.01), self.assertRaises(ZeroDivisionError):
                    await client.post("/body", fails(), timeout=20)
                self.assertLess(time.monotonic() - begun, 10)

    async def test_a_call_that_fails_draws_no_further_piece_and_closes_its_body(self):
        drawn, closed = [], []

        async def endless():
            try:
                while True:
                    drawn.append(1)
                    yield b"z" * 100_000
            finally:
                await asyncio.sleep(0)
                closed.append(1)

        async with ahoy.AsyncClient(self.hosts[1:], timeout=1, retry=False) as client:
            with self.assertRaises(ahoy.Error):
                await client.post("/body", endless())
        self.assertLess(len(drawn), 5)
        self.assertEqual(closed, [1])

    async def test_a_body_that_stands_still_holds_no_call_beyond_its_limit(self):
        closed = []

        async def silent():
            try:
                yield b"first"
                await asyncio.sleep(60)
            finally:
                await asyncio.sleep(0)
                closed.append(1)

        begun = time.monotonic()
        with self.assertRaises(ahoy.DeadlineError):
            await self.client.post("/body", silent(), timeout=0.1)
        self.assertLess(time.monotonic() - begun, 5)
        self.assertEqual(closed, [1])
        self.assertEqual((await self.client.get("/ok")).text, "hello")

    async def test_a_body_that_takes_time_to_end_holds_its_call_however_often_that_is_cancelled(self):
        stands, ends, may_end, ended = asyncio.Event(), asyncio.Event(), asyncio.Event(), []

        async def body():
            try:
                yield b"first"
                stands.set()
                await asyncio.Event().wait()
            finally:
                ends.set()
                await may_end.wait()
                ended.append(1)

        task = asyncio.ensure_future(self.client.post("/body", body()))
        await stands.wait()
        task.cancel()
        await ends.wait()
        for _ in range(20):
            task.cancel()
            await asyncio.sleep(0)
        self.assertFalse(task.done())
        may_end.set()
        with self.assertRaises(asyncio.CancelledError):
            await task
        self.assertEqual(ended, [1])

    async def test_a_body_whose_request_is_gone_brings_nothing(self):
        async def body():
            yield b"first"

        class Bell:
            ended = False

            def ring(self):
                pass

            async def wait(self):
                self.ended = True

        request = build("POST", "/body", content=body())
        fed, freed = request.fed, weakref.ref(request.handle)
        del request
        gc.collect()
        self.assertIsNone(freed())
        await fed.feed(Bell(), None)

    async def test_an_answer_that_a_cancelled_task_does_not_take_ends_at_the_server(self):
        before = counts(self.ports[0])["broken_off"]
        queue = LoopQueue.of(asyncio.get_running_loop())
        complete = queue._complete

        def and_cancel(completion):
            complete(completion)
            task.cancel()

        task = asyncio.ensure_future(self.client.stream("GET", "/drip?n=500&ms=20").__aenter__())
        queue._complete = and_cancel
        with self.assertRaises(asyncio.CancelledError):
            await task
        queue._complete = complete
        self.assertEqual(queue._waiting, {})
        del task
        await asyncio.to_thread(eventually, lambda: counts(self.ports[0])["broken_off"] == before + 1)

    async def test_a_read_that_is_cancelled_ends_its_stream(self):
        before = counts(self.ports[0])["broken_off"]
        async with ahoy.AsyncClient(self.hosts[:1]) as client:
            async with client.stream("GET", "/drip?n=2&ms=20000") as response:
                with self.assertRaises(asyncio.TimeoutError):
                    await asyncio.wait_for(response.aread(), 0.05)
                with self.assertRaises(ahoy.ClosedError):
                    await response.aread()
                await asyncio.to_thread(eventually, lambda: counts(self.ports[0])["broken_off"] == before + 1)

    async def test_cancelled_calls_leave_nothing_in_a_loop(self):
        def run():
            async def cancelled():
                with contextlib.suppress(asyncio.TimeoutError):
                    await asyncio.wait_for(client.get("/slow?ms=5000"), 0.01)

            client = ahoy.AsyncClient(self.hosts, warn_unclosed=False)
            loops = weakref.WeakSet()
            for _ in range(10):
                loop = asyncio.new_event_loop()
                loops.add(loop)
                loop.run_until_complete(cancelled())
                loop.close()
            del loop
            gc.collect()
            return len(loops)

        self.assertEqual(await asyncio.to_thread(run), 0)

    async def test_a_loop_that_is_dropped_amid_an_upload_ends_without_a_word(self):
        def run(streamed):
            async def body():
                yield b"first"
                stands.set()
                await asyncio.Event().wait()

            async def answered():
                async with ahoy.AsyncClient([host], warn_unclosed=False).stream("POST", "/", content=body()) as response:
                    has_head.set()
                    await response.aread()

            async def begun():
                tasks.append(asyncio.ensure_future(answered() if streamed else client.post("/body", body())))
                while not stands.is_set() or (streamed and not has_head.is_set()):
                    await asyncio.sleep(0)

            tasks, stands, has_head = [], threading.Event(), threading.Event()
            client = ahoy.AsyncClient(self.hosts, warn_unclosed=False)
            loop = asyncio.new_event_loop()
            loop.set_exception_handler(lambda *_: None)  # asyncio tells of the call's own task
            loop.run_until_complete(begun())
            loop.close()
            del LoopQueue._queues[loop], loop
            tasks.clear()
            gc.collect()

        told = []
        with mock.patch("sys.unraisablehook", told.append), echo() as (host, _):
            await asyncio.to_thread(run, False)
            await asyncio.to_thread(run, True)
        self.assertEqual(told, [])

    async def test_a_loop_that_is_closed_with_calls_under_way_is_let_go(self):
        def run():
            async def begun():
                calls.append([asyncio.ensure_future(client.get("/slow?ms=5000")) for _ in range(3)])
                await asyncio.sleep(0)

            client = ahoy.AsyncClient(self.hosts[:1], warn_unclosed=False)
            loops, calls = weakref.WeakSet(), []
            for _ in range(10):
                loop = asyncio.new_event_loop()
                # It tells of tasks that are collected before their end.
                loop.set_exception_handler(lambda *_: None)
                loops.add(loop)
                loop.run_until_complete(begun())
                loop.close()
            del loop
            calls.clear()
            gc.collect()
            return len(loops)

        with unittest.mock.patch("sys.unraisablehook") as unraisable:
            self.assertEqual(await asyncio.to_thread(run), 0)
        unraisable.assert_not_called()

    async def test_a_hook_that_raises_is_the_cause(self):
        def refuse(request):
            raise PermissionError("not today")

        async with ahoy.AsyncClient(self.hosts, on_request=refuse) as client:
            with self.assertRaises(ahoy.HookRefusedError) as caught:
                await client.get("/ok")
        self.assertIsInstance(caught.exception.__cause__, PermissionError)

    async def begun(self, client):
        """A call that has reached the server, which answers late."""
        seen = lambda: counts(self.ports[0])["requests"].get("/slow", 0)
        before = seen()
        call = asyncio.ensure_future(client.get("/slow?ms=20000", timeout=30))
        await asyncio.to_thread(eventually, lambda: seen() > before)
        return call

    async def test_a_block_that_an_exception_leaves_waits_for_no_call(self):
        begun = time.monotonic()
        with self.assertRaises(ZeroDivisionError):
            async with ahoy.AsyncClient(self.hosts[:1]) as client:
                call = await self.begun(client)
                raise ZeroDivisionError
        with self.assertRaises(ahoy.ClosedError):
            await call
        self.assertLess(time.monotonic() - begun, 4)

    async def test_a_close_that_is_cancelled_ends_the_calls(self):
        client = ahoy.AsyncClient(self.hosts[:1])
        call, begun = await self.begun(client), time.monotonic()
        with self.assertRaises(asyncio.TimeoutError):
            await asyncio.wait_for(client.aclose(20), 0.05)
        with self.assertRaises(ahoy.ClosedError):
            await call
        self.assertLess(time.monotonic() - begun, 4)

    async def test_a_close_waits_for_no_thread_that_others_hold(self):
        loop, goes_on = asyncio.get_running_loop(), threading.Event()
        loop.set_default_executor(concurrent.futures.ThreadPoolExecutor(1))
        held = loop.run_in_executor(None, goes_on.wait, 20)
        client = ahoy.AsyncClient(self.hosts[:1])
        await asyncio.wait({asyncio.ensure_future(client.aclose(1))}, timeout=5)
        self.assertFalse(held.done())
        with self.assertRaises(ahoy.ClosedError):
            await client.get("/ok")
        goes_on.set()
        await held

    async def test_a_close_ends_streams_at_once(self):
        client = ahoy.AsyncClient(self.hosts[:1])
        async with client.stream("GET", "/drip?n=2&ms=20000") as response:
            reader = asyncio.ensure_future(response.aread())
            await asyncio.sleep(0)
            begun = time.monotonic()
            await client.aclose()
            with self.assertRaises(ahoy.ClosedError):
                await reader
            self.assertLess(time.monotonic() - begun, 2)
            self.assertEqual(response.headers["content-length"], "2")


if __name__ == "__main__":
    unittest.main()
