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
            self.assertEqual((status, json.loads(text)), (200, {"customer": number, "orders": [1, 2]}))
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
        """Greenlets share a thread, so a call holds all of them; in gevent's thread pool it holds none."""
        ended = python(
            """
            from gevent import monkey; monkey.patch_all()
            import sys, time, gevent, ahoy
            with ahoy.Client([f"127.0.0.1:{sys.argv[1]}"], timeout=5) as client:
                assert client.get("/ok").text == "hello"
                pool = gevent.get_hub().threadpool
                begun, beats = time.monotonic(), []
                ticker = gevent.spawn(lambda: [gevent.sleep(0.01) or beats.append(1) for _ in range(20)])
                answers = [gevent.spawn(pool.apply, client.get, ("/slow?ms=300",)) for _ in range(5)]
                gevent.joinall([ticker, *answers])
                assert {a.value.text for a in answers} == {"late"}
                print(len(beats), time.monotonic() - begun < 1.4)
                def body():
                    for _ in range(20):
                        gevent.sleep(0)
                        yield b"x" * 50_000
                uploads = [gevent.spawn(client.post, "/body", body()) for _ in range(5)]
                gevent.joinall(uploads)
                print({len(upload.value.content) for upload in uploads})
            """,
            *self.ports,
        )
        self.assertEqual((ended.returncode, ended.stdout.split("\n"), ended.stderr), (0, ["20 True", "{1000000}", ""], ""))


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
