"""Programs that host the package: Flask in gunicorn, gevent, Celery, uvloop."""

import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import urllib.request

from support import HERE, Served, eventually, free_port, python

EXAMPLES = HERE.parent.parent.parent / "examples-python"
# The programs run in folders of their own.
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}


class Gunicorn(Served, unittest.TestCase):
    """examples-python/orders_flask.py, whose client is made before gunicorn forks."""

    kinds = ("refuse", "service", "service")

    def served(self, *options):
        port = free_port()
        command = [sys.executable, "-m", "gunicorn", "--preload", "--workers", "3", "--bind", f"127.0.0.1:{port}"]
        log = tempfile.TemporaryFile()
        self.addCleanup(log.close)
        server = subprocess.Popen(
            [*command, *options, "--chdir", str(EXAMPLES), "orders_flask:app"],
            env={**ENVIRONMENT, "ORDERS": ",".join(self.hosts)},
            stdout=log,
            stderr=log,
        )
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)

        def ask(path, **fields):
            asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=fields)
            try:
                with urllib.request.urlopen(asked, timeout=10) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        def listens():
            try:
                return ask("/metrics")[0] == 200
            except OSError:
                return False

        try:
            eventually(listens, 30)
        except AssertionError:
            log.seek(0)
            self.fail(log.read().decode())
        return server, ask

    def used(self, *options):
        server, ask = self.served(*options)
        for number in range(30):
            status, text = ask(f"/customers/{number}")
            self.assertEqual(status, 200, text)
            self.assertEqual(json.loads(text), {"customer": number, "orders": [1, 2]}, text)
        self.assertEqual(ask("/customers/1", **{"x-timeout": "0"}), (504, '{"error":"AHOY_E_DEADLINE"}\n'))
        self.assertIn("# EOF", ask("/metrics")[1])
        server.send_signal(signal.SIGTERM)
        self.assertEqual(server.wait(15), 0)

    def test_flask_with_preload_and_threads(self):
        self.used("--threads", "4")

    def test_flask_in_gevent(self):
        # Debian's gunicorn 20.1 leaves workers of gevent 22.10 waiting after SIGTERM, seven times of eight also with a service
        # of Flask alone; so they are given two seconds of their thirty.
        self.used("--worker-class", "gevent", "--graceful-timeout", "2")


class Loops(Served, unittest.TestCase):
    kinds = ("ok",)

    def test_uvloop(self):
        ended = python(
            """
            import asyncio, sys, time, ahoy, uvloop
            async def main():
                async with ahoy.AsyncClient([f"127.0.0.1:{sys.argv[1]}"]) as client:
                    answers = await asyncio.gather(*(client.get("/ok") for _ in range(200)))
                    assert {a.text for a in answers} == {"hello"}
                    async with client.stream("GET", "/drip?n=5&ms=5") as streamed:
                        assert await streamed.aread() == b"....."
                    begun = time.monotonic()
                    try:
                        await asyncio.wait_for(client.get("/slow?ms=9000"), 0.1)
                    except asyncio.TimeoutError:
                        print(type(asyncio.get_running_loop()).__module__, time.monotonic() - begun < 2)
            uvloop.install()
            asyncio.run(main())
            """,
            *self.ports,
        )
        self.assertEqual((ended.returncode, ended.stdout.strip(), ended.stderr), (0, "uvloop True", ""))

    def test_gevent(self):
        """Greenlets share a thread, of which a call holds none but its own greenlet."""
        ended = python(
            """
            from gevent import monkey; monkey.patch_all()
            import sys, time, gevent, ahoy, requests
            from ahoy.requests import Adapter
            host, session = f"127.0.0.1:{sys.argv[1]}", requests.Session()
            session.mount("http://", Adapter())
            def at_once(*calls):
                begun, beats = time.monotonic(), []
                ticker = gevent.spawn(lambda: [gevent.sleep(0.01) or beats.append(1) for _ in range(20)])
                greenlets = [gevent.spawn(*call) for call in calls]
                gevent.joinall([*greenlets, ticker])
                return {greenlet.value for greenlet in greenlets}, len(beats), time.monotonic() - begun < 1.4
            def drip():
                with client.stream("GET", "/drip?n=5&ms=50") as streamed:
                    return streamed.read()
            def body():
                for _ in range(20):
                    gevent.sleep(0)
                    yield b"x" * 50_000
            with ahoy.Client([host], timeout=5) as client:
                assert client.get("/ok").text == "hello"
                print(*at_once(*[(lambda: client.get("/slow?ms=300").text,)] * 5))
                print(*at_once(*[(lambda: session.get(f"http://{host}/slow?ms=300").text,)] * 5))
                pool = gevent.get_hub().threadpool
                print(*at_once(*[(lambda: pool.apply(client.get, ("/slow?ms=300",)).text,)] * 5))
                print(*at_once(*[(drip,)] * 5))
                print(*at_once(*[(lambda: len(client.post("/body", body()).content),)] * 5))
            """,
            *self.ports,
        )
        expected = [f"{{{value}}} 20 True" for value in ("'late'", "'late'", "'late'", "b'.....'", "1000000")]
        self.assertEqual((ended.returncode, ended.stdout.splitlines(), ended.stderr), (0, expected, ""))

    def test_a_greenlet_that_waits_for_a_list_holds_no_other(self):
        ended = python(
            """
            from gevent import monkey; monkey.patch_all()
            import pathlib, tempfile, gevent, ahoy
            with tempfile.TemporaryDirectory() as folder:
                path = pathlib.Path(folder, "hosts")
                waits = gevent.spawn(ahoy.Balancer(f"file://{path}").wait_ready, 20)
                gevent.sleep(0)
                # The list comes from another greenlet.
                path.write_text("127.0.0.1:8001")
                waits.get()
            try:
                ahoy.Balancer("file:///no/such/file").wait_ready(0.1)
            except ahoy.DiscoveryError as error:
                print(error)
            try:
                with gevent.Timeout(0.1):
                    ahoy.Balancer("file:///no/such/file").wait_ready(20)
            except gevent.Timeout:
                print("timeout")
            """
        )
        expected = (0, "provider: there is no such file\ntimeout\n", "")
        self.assertEqual((ended.returncode, ended.stdout, ended.stderr), expected)

    def test_a_greenlet_that_is_ended_ends_its_call(self):
        ended = python(
            """
            from gevent import monkey; monkey.patch_all()
            import sys, time, gevent, ahoy
            def read(streamed):
                try:
                    return streamed.read()
                except ahoy.ClosedError:
                    return "closed"
            with ahoy.Client([f"127.0.0.1:{sys.argv[1]}"]) as client:
                begun = time.monotonic()
                try:
                    with gevent.Timeout(0.1):
                        client.get("/slow?ms=9000")
                except gevent.Timeout:
                    print("timeout")
                killed = gevent.spawn(client.get, "/slow?ms=9000")
                gevent.sleep(0.1)
                killed.kill()
                print(repr(killed.value), time.monotonic() - begun < 3)
                streamed = client.stream("GET", "/drip?n=90&ms=100")
                reader = gevent.spawn(read, streamed)
                gevent.sleep(0.1)
                streamed.close()
                print(reader.get(timeout=3))
                late = gevent.spawn(client.get, "/slow?ms=300")
                gevent.sleep(0.1)
            print(late.get(timeout=0).text, time.monotonic() - begun < 6)
            gevent.wait(timeout=9)
            print("nothing is left to wait for", time.monotonic() - begun < 6)
            """,
            *self.ports,
        )
        expected = ["timeout", "GreenletExit() True", "closed", "late True", "nothing is left to wait for True"]
        self.assertEqual((ended.returncode, ended.stdout.splitlines(), ended.stderr), (0, expected, ""))

    def test_a_fork_between_greenlets(self):
        ended = python(
            """
            from gevent import monkey; monkey.patch_all()
            import os, sys, time, gevent, ahoy
            client = ahoy.Client([f"127.0.0.1:{sys.argv[1]}"], warn_unclosed=False)
            def three():
                return [gevent.spawn(client.get, "/slow?ms=300") for _ in range(3)]
            parents = three()
            gevent.sleep(0.1)
            child = os.fork()
            greenlets = three() if child == 0 else parents
            gevent.joinall(greenlets)
            if child == 0:
                # The completions of the parent's calls, which the child sees as well, keep it from nothing.
                gevent.sleep(0.3)
                assert time.process_time() < 2
            print({greenlet.value.text for greenlet in greenlets}, flush=True)
            if child:
                print(os.waitpid(child, 0)[1])
            os._exit(0)
            """,
            *self.ports,
        )
        expected = (0, ["{'late'}", "{'late'}", "0"], "")
        self.assertEqual((ended.returncode, ended.stdout.splitlines(), ended.stderr), expected)


class Celery(Served, unittest.TestCase):
    kinds = ("refuse", "service")

    def test_workers_that_fork(self):
        """The client is made and used by the process that forks the workers."""
        folder = pathlib.Path(tempfile.mkdtemp())
        self.addCleanup(shutil.rmtree, folder)
        (folder / "queue").mkdir()
        (folder / "results").mkdir()
        (folder / "jobs.py").write_text(
            f"""
import os, ahoy, celery
app = celery.Celery("jobs", broker="filesystem://", backend="file://{folder}/results")
app.conf.broker_transport_options = {{"data_folder_in": "{folder}/queue", "data_folder_out": "{folder}/queue"}}
app.conf.worker_hijack_root_logger = False
client = ahoy.Client({self.hosts!r}, timeout=5, warn_unclosed=False)
assert client.get("/").status == 200
maker = os.getpid()

@app.task
def job():
    assert os.getpid() != maker
    return client.get("/orders").status
"""
        )
        with open(folder / "log", "w+") as log:
            command = [sys.executable, "-m", "celery", "-A", "jobs", "worker", "--pool", "prefork", "--concurrency", "3"]
            worker = subprocess.Popen(
                [*command, "--without-gossip", "--without-mingle"], cwd=folder, env=ENVIRONMENT, stdout=log, stderr=log
            )
            try:
                ended = python(
                    """
                    import sys; sys.path.insert(0, sys.argv[1])
                    from jobs import job
                    print(sorted({r.get(timeout=40) for r in [job.delay() for _ in range(20)]}))
                    """,
                    folder,
                    timeout=60,
                )
                worker.send_signal(signal.SIGTERM)
                code = worker.wait(20)
            finally:
                worker.kill()
                worker.wait()
            log.seek(0)
            self.assertEqual((ended.stdout.strip(), code), ("[200]", 0), ended.stderr + log.read())


if __name__ == "__main__":
    unittest.main()
