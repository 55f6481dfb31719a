"""An application that gunicorn loads before it forks its workers: its client is made and used by then.

Run by gunicorn.py, with OK_PORT and HANG_PORT in the environment.
"""

import os
import threading

from ahoy import Failed, client_over, get, start, wait

ok, hang = int(os.environ["OK_PORT"]), int(os.environ["HANG_PORT"])
client, hanging = client_over(ok), client_over(hang)
assert get(client, b"/preload") == 200
assert wait(start(client, b"/preload")) == 200
in_flight = start(hanging, b"/in-flight")
busy = threading.Thread(target=lambda: wait(start(hanging, b"/busy"), 600_000), daemon=True)
busy.start()
loaded_by = os.getpid()


def answer(path):
    assert os.getpid() != loaded_by, "a worker answers"
    if path == "/hang":
        return get(hanging, b"/hang")
    try:
        wait(in_flight)
        return "the parent's call was answered"
    except Failed as failed:
        assert str(failed) == "AHOY_E_FORKED", failed
    assert get(client, b"/work") == 200
    assert wait(start(client, b"/started")) == 200
    return 200


def application(environ, start_response):
    text = f"{os.getpid()} {answer(environ['PATH_INFO'])}".encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))])
    return [text]
