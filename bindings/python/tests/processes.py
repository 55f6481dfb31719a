"""Clients in children that are started anew: `processes.py PORT ...`"""

import multiprocessing
import sys

import ahoy


def child(hosts):
    with ahoy.Client(hosts) as client:
        assert client.get("/ok").text == "hello"


if __name__ == "__main__":
    hosts = [f"127.0.0.1:{port}" for port in sys.argv[1:]]
    with ahoy.Client(hosts) as client:
        assert client.get("/ok").text == "hello"
        for way in ("spawn", "forkserver"):
            process = multiprocessing.get_context(way).Process(target=child, args=(hosts,))
            process.start()
            process.join(30)
            assert process.exitcode == 0, (way, process.exitcode)
        assert client.get("/ok").text == "hello"
