"""A preloading gunicorn: its workers use the client that was made and used before they were forked, are
replaced on SIGHUP, and end on SIGTERM, one of them in the middle of a call that hangs.

    gunicorn.py OK_PORT HANG_PORT
"""

import http.client
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time

WORKERS = 4
folder = os.path.dirname(os.path.abspath(__file__))
with socket.socket() as free:
    free.bind(("127.0.0.1", 0))
    port = free.getsockname()[1]


def ask(path, timeout=20):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=timeout)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, *answer.read().decode().split(" ", 1)
    finally:
        connection.close()


def until(what, check, within=20):
    deadline = time.monotonic() + within
    while not check():
        if time.monotonic() > deadline:
            sys.exit(f"not within {within} s: {what}")
        time.sleep(0.01)


def listens():
    try:
        ask("/")
        return True
    except OSError:
        return False


def workers():
    with open(f"/proc/{server.pid}/task/{server.pid}/children") as children:
        return set(children.read().split())


def all_answer(count):
    """Calls from eight threads; the workers that answered."""
    seen, wrong = set(), []

    def some():
        for _ in range(count // 8):
            status, worker, text = ask("/work")
            seen.add(worker)
            if (status, text) != (200, "200"):
                wrong.append((status, text))

    threads = [threading.Thread(target=some) for _ in range(8)]
    [thread.start() for thread in threads]
    [thread.join() for thread in threads]
    assert not wrong, wrong[:3]
    return seen


with tempfile.TemporaryFile() as log:
    command = ["gunicorn", "--preload", "--workers", str(WORKERS), "--bind", f"127.0.0.1:{port}"]
    command += ["--graceful-timeout", "2", "--chdir", folder, "gunicorn_app:application"]
    names = {"OK_PORT": sys.argv[1], "HANG_PORT": sys.argv[2]}
    server = subprocess.Popen(command, env=os.environ | names, stdout=log, stderr=log)
    try:
        until("gunicorn listens", listens)
        until("all workers are there", lambda: len(workers()) == WORKERS)
        first = all_answer(400)
        assert len(first) > 1, first
        before = workers()
        server.send_signal(signal.SIGHUP)
        until("the workers are others", lambda: len(workers() - before) == WORKERS == len(workers()))
        second = all_answer(400)
        assert not first & second, (first, second)
        # A worker in the middle of a call: gunicorn gives it two seconds and kills it, or it ends by itself.
        hanging = threading.Thread(target=lambda: ask("/hang", 60), daemon=True)
        threading.excepthook = lambda _: None  # the connection ends without an answer
        hanging.start()
        time.sleep(0.3)
        begun = time.monotonic()
        server.terminate()
        assert server.wait(15) == 0, server.returncode
        assert time.monotonic() - begun < 10
    except BaseException:
        log.seek(0)
        sys.stderr.write(log.read().decode(errors="replace"))
        raise
    finally:
        server.kill()
print("well")
