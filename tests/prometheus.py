"""Runs a program that serves /metrics and a real Prometheus that scrapes it, and looks at what the dashboard shows.

    prometheus.py DASHBOARD FOLDER PROGRAM NAME=PORT ...
"""

import json
import re
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.parse
import urllib.request

SOON = 60

results = []


def check(name, holds, shown=""):
    results.append(bool(holds))
    print(f"{'ok   ' if holds else 'FAIL '} {name}" + ("" if holds else f": {shown}"), flush=True)


def get(url, accept=None):
    request = urllib.request.Request(url, headers={"Accept": accept} if accept else {})
    with urllib.request.urlopen(request, timeout=10) as answer:
        return answer.headers.get("Content-Type"), answer.read().decode()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Prometheus:
    """A server with its data in a folder; one that finds its port taken is started again."""

    def __init__(self, folder, target):
        config = f"{folder}/prometheus.yml"
        with open(config, "w") as file:
            file.write(
                "global: {scrape_interval: 500ms, scrape_timeout: 400ms}\n"
                f"scrape_configs: [{{job_name: ahoy, static_configs: [{{targets: ['{target}']}}]}}]\n"
            )
        for number in range(5):
            port = free_port()
            self.url = f"http://127.0.0.1:{port}"
            self.log = open(f"{folder}/prometheus.log", "w")
            command = [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={folder}/data-{number}",
                f"--web.listen-address=127.0.0.1:{port}",
            ]
            self.process = subprocess.Popen(command, stdout=self.log, stderr=self.log)
            if self.is_ready():
                return
            self.stop()
        sys.exit(f"prometheus does not start: {folder}/prometheus.log")

    def is_ready(self):
        until = time.monotonic() + SOON
        while self.process.poll() is None and time.monotonic() < until:
            try:
                get(f"{self.url}/-/ready")
                return True
            except OSError:
                time.sleep(0.1)
        return False

    def api(self, path, **parameters):
        query = urllib.parse.urlencode(parameters)
        try:
            return json.loads(get(f"{self.url}/api/v1/{path}?{query}")[1])["data"]
        except urllib.error.HTTPError as error:
            return {"result": [], "error": error.read().decode()}

    def query(self, text, **parameters):
        answer = self.api("query", query=text, **parameters)
        return [(it["metric"], float(it["value"][1])) for it in answer["result"]]

    def target(self):
        targets = self.api("targets")["activeTargets"]
        return (targets[0]["health"], targets[0]["lastError"]) if targets else ("none", "")

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


def expressions(dashboard):
    """Each query of each panel, with the variables that Grafana would fill in."""
    with open(dashboard) as file:
        panels = json.load(file)["panels"]
    for panel in panels:
        for target in panel.get("targets", []):
            text = target["expr"].replace("$__rate_interval", "5s").replace("$job", ".*").replace("$client", ".*")
            yield panel["title"], target["expr"], text


def eventually(what, look):
    until = time.monotonic() + SOON
    while not (found := look()) and time.monotonic() < until:
        time.sleep(0.3)
    check(what, found, "not in time")
    return found


def check_texts(url):
    kind, text = get(url, "application/openmetrics-text;version=1.0.0")
    check("OpenMetrics where it is asked for", kind.startswith("application/openmetrics-text"), kind)
    check("it ends with its mark", text.endswith("# EOF\n"), text[-80:])
    kind, text = get(url)
    check("0.0.4 otherwise", kind.startswith("text/plain; version=0.0.4"), kind)
    promtool = ["promtool", "check", "metrics"]
    looked = subprocess.run(promtool, input=text, capture_output=True, text=True)
    said = looked.stdout + looked.stderr
    check("promtool finds nothing", looked.returncode == 0 and not said.strip(), said)
    return text


def check_story(prometheus, ports):
    """What the dashboard tells of the bad and of the dead endpoint."""
    attempts = 'sum by (server_port, result) (ahoy_endpoint_attempts_total{result!="good"})'
    failing = {
        (labels["server_port"], labels["result"]): value
        for labels, value in prometheus.query(attempts)
        if value > 0
    }
    check("the bad endpoint fails by its answers", failing.get((ports["bad"], "server_error")), failing)
    check("the dead one by none", failing.get((ports["dead"], "failed")), failing)
    good = {ports["one"], ports["two"]}
    check("no other endpoint fails", not good & {port for port, _ in failing}, failing)
    opened = dict_of(prometheus.query("ahoy_balancer_circuits_opened_total"), "reason")
    check("a circuit opened as nothing could be reached", opened["unreachable"] >= 1, opened)
    check("and one by answers or a probe", opened["answers"] + opened["probe"] >= 1, opened)
    states = dict_of(prometheus.query("ahoy_balancer_endpoints"), "state")
    check("all four endpoints are known", sum(states.values()) == 4, states)
    check("two are out or on trial", states["circuit_open"] + states["circuit_half_open"] >= 1, states)
    sums = eventually("attempts add up by reason, outcome and endpoint", lambda: added_up(prometheus))
    check("there are more attempts than calls", sums and sums[1] > sums[0] > 0, sums)
    good_calls = 'sum(ahoy_client_call_duration_seconds_count{error_type=""})'
    check("callers saw little of it", sums and prometheus.query(good_calls)[0][1] > 0.9 * sums[0], sums)


def added_up(prometheus):
    """The numbers of calls and attempts of one scrape; nothing where an attempt ended while it was read."""
    calls = "sum(ahoy_client_call_duration_seconds_count)"
    by_reason = "sum(ahoy_client_attempts_total)"
    attempts = "sum(http_client_request_duration_seconds_count)"
    by_endpoint = "sum(ahoy_endpoint_attempts_total)"
    now = time.time()
    sums = [prometheus.query(text, time=now)[0][1] for text in (calls, by_reason, attempts, by_endpoint)]
    return sums if len(set(sums[1:])) == 1 else None


def dict_of(rows, label):
    return {labels[label]: value for labels, value in rows}


def main():
    dashboard, folder, program, *endpoints = sys.argv[1:]
    ports = dict(endpoint.split("=") for endpoint in endpoints)
    command = [program, "0", *(f"127.0.0.1:{port}" for port in ports.values())]
    serving = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    url = re.search(r"http://\S+", serving.stdout.readline()).group()
    prometheus = Prometheus(folder, url.split("/")[2])
    try:
        eventually("Prometheus scrapes it", lambda: prometheus.target()[0] == "up")
        calls = "sum(ahoy_client_call_duration_seconds_count)"
        eventually("calls are made", lambda: (prometheus.query(calls) or [(0, 0)])[0][1] > 200)
        text = check_texts(url)
        for title, expression, query in expressions(dashboard):
            rows = eventually(f"{title}: {expression}", lambda: prometheus.query(query))
            if rows and all(value != value for _, value in rows):
                check(f"{title} has numbers", False, rows)
        shown = set(re.findall(r"# TYPE (\S+?)(?:_total)? ", text))
        used = " ".join(query for _, _, query in expressions(dashboard))
        check("each metric has its panel", not [it for it in shown if it not in used], shown)
        check_story(prometheus, ports)
        check("no scrape has failed", prometheus.target() == ("up", ""), prometheus.target())
        explained = get(url.replace("/metrics", "/explain"))[1]
        check("/explain tells four endpoints", len(explained.splitlines()) == 4, explained)
        get(url.replace("/metrics", "/quit"))
        printed = serving.communicate(timeout=SOON)[0]
        check("events were told", "event 1: http://127.0.0.1:" in printed, printed[:2000])
        check("the program ends well", serving.returncode == 0, serving.returncode)
    finally:
        prometheus.stop()
        serving.kill()
    failed = results.count(False)
    print(f"{len(results) - failed} passed, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main()
