#!/usr/bin/env python3
"""Runs the services of examples-ruby, examples-node and examples-go inside their frameworks, beside hosts of which one is
dead: language_examples.py [ruby] [node] [go]
"""

import json
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.error
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bindings" / "python" / "tests"))
from support import free_port, servers  # noqa: E402


def ruby(folder, port):
    options = ["-e", "production", "-s", "puma", "-p", str(port), "-o", "127.0.0.1"]
    return ["ruby", "-W:no-experimental", "-I", str(ROOT / "bindings/ruby/lib"), str(ROOT / "examples-ruby/orders_sinatra.rb"), *options]


def node(folder, port):
    # Packages are looked for beside the program.
    modules = ROOT / "bindings" / "node" / "node_modules"
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "ahoy-client").symlink_to(ROOT / "bindings" / "node")
    (folder / "node_modules" / "express").symlink_to(modules / "express")
    program = folder / "orders_express.js"
    program.write_text((ROOT / "examples-node" / "orders_express.js").read_text())
    return ["node", str(program)]


def go(folder, port):
    built = folder / "orders"
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    subprocess.run(["go", "build", "-o", built, "."], cwd=ROOT / "examples-go" / "orders", env=environment, check=True)
    return [str(built)]


class Example(unittest.TestCase):
    def served(self, language, hosts):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        port = free_port()
        command = language(pathlib.Path(folder.name), port)
        log = tempfile.TemporaryFile()
        self.addCleanup(log.close)
        environment = {**os.environ, "ORDERS": ",".join(hosts), "PORT": str(port)}
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        self.addCleanup(server.wait)
        self.addCleanup(server.kill)

        def ask(path, **fields):
            asked = urllib.request.Request(f"http://127.0.0.1:{port}{path}", headers=fields)
            try:
                with urllib.request.urlopen(asked, timeout=10) as answer:
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                return error.code, error.read().decode()

        until = time.monotonic() + 30
        while True:
            try:
                self.assertEqual(ask("/metrics")[0], 200)
                return server, ask
            except OSError:
                if server.poll() is not None or time.monotonic() > until:
                    log.seek(0)
                    self.fail(log.read().decode())
                time.sleep(0.01)

    def used(self, language):
        with servers("refuse", "service", "service") as ports:
            server, ask = self.served(language, [f"127.0.0.1:{port}" for port in ports])
            for number in range(30):
                status, text = ask(f"/customers/{number}")
                self.assertEqual((status, json.loads(text)), (200, {"customer": number, "orders": [1, 2]}))
            self.assertEqual(ask("/customers/1", **{"x-timeout": "0"})[0], 504)
            self.assertIn("# EOF", ask("/metrics")[1])
            server.send_signal(signal.SIGTERM)
            self.assertIn(server.wait(15), (0, -signal.SIGTERM, 128 + signal.SIGTERM))

    def test_sinatra(self):
        self.used(ruby)

    def test_express(self):
        self.used(node)

    def test_net_http(self):
        self.used(go)


if __name__ == "__main__":
    unittest.main()
