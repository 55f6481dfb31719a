"""The behaviour suite of all bindings: bindings/suite/scenarios.json."""

import itertools
import json
import unittest

import ahoy
from support import SUITE, servers

unique = itertools.count()


class Suite(unittest.TestCase):
    def test_scenarios(self):
        for scenario in json.loads((SUITE / "scenarios.json").read_text()):
            if "python" not in scenario.get("skip", {}):
                with self.subTest(scenario["name"]), servers(*scenario["servers"]) as ports:
                    self.play(scenario, [f"127.0.0.1:{port}" for port in ports])

    def play(self, scenario, hosts):
        config = {"hosts": hosts, "timeout": "5s", **scenario.get("config", {})}
        if "calls" not in scenario:
            with self.assertRaises(ahoy.Error) as caught:
                ahoy.Client(config=config)
            self.assertEqual(caught.exception.code, scenario["expect"]["code"])
            return
        with ahoy.Client(config=config) as client:
            for call in scenario["calls"]:
                for _ in range(call.get("repeat", 1)):
                    self.compare(call["expect"], self.made(client, call))

    def made(self, client, call):
        path = call["path"].replace("$unique", str(next(unique)))
        limit = call["timeout_ms"] / 1000 if "timeout_ms" in call else None
        try:
            response = client.request(call.get("method", "GET"), path, content=call.get("body"), timeout=limit)
        except ahoy.Error as error:
            return {"code": error.code, "ambiguous": error.ambiguous, "attempts": len(error.attempts)}
        return {"status": response.status, "body": response.text, "attempts": len(response.attempts)}

    def compare(self, expected, got):
        self.assertEqual(expected, {key: got.get(key) for key in expected}, got)


if __name__ == "__main__":
    unittest.main()
