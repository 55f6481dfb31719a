#!/usr/bin/env python3
"""The same job by each language's usual client and by its binding of libahoy, in one run: run.py LIBRARY [LANGUAGE...]

The job: a service has three hosts, one of which is dead. Calls are spread over the hosts, one that failed is left alone
for a second, a call that finds it goes to another host, and a call takes at most two seconds in all.

nginx plays the two hosts that are well. Each program runs it with calls one after the other and with 16 at once. Rates
are told by the program, without its start; processor time is the kernel's, without that of a run of no calls. The
programs take turns, round by round, and the median over the rounds is told.

Node's clients to compare with are fetched by npm where they are not there.
"""

import argparse
import os
import pathlib
import resource
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COMMENTS = {".py": "#", ".rb": "#", ".js": "//", ".mjs": "//", ".go": "//"}
# The Python with the clients to compare with; the system's, where tests/install-deps.sh puts them.
PYTHON = [os.environ.get("PYTHON", "/usr/bin/python3"), str(HERE / "python" / "measure.py")]

RUBY = ["ruby", "-W0", str(HERE / "ruby" / "measure.rb")]
NODE = ["node", str(HERE / "node" / "measure.js")]
# Built by go_built.
GO = ["measure"]

# What tells the versions of a language and its clients.
VERSIONS = {
    "Python": [
        PYTHON[0],
        "-c",
        "import platform, requests, httpx;"
        "print(f'Python {platform.python_version()}, requests {requests.__version__}, httpx {httpx.__version__}')",
    ],
    "Ruby": ["ruby", "-W0", "-e", "require 'faraday'; print \"Ruby #{RUBY_VERSION}, Faraday #{Faraday::VERSION}\""],
    "Node": [
        "node",
        "-p",
        "const v = (name) => `${name} ${JSON.parse(fs.readFileSync(`node_modules/${name}/package.json`)).version}`;"
        "[`Node ${process.versions.node}`, v('undici'), v('axios')].join(', ')",
    ],
    "Go": ["go", "env", "GOVERSION"],
}

# Language, client, the file whose lines count, the command, which gets CALLS AT_ONCE HOST... and prints SECONDS ANSWERS.
PROGRAMS = [
    ("Python", "requests", "python/with_requests.py", [*PYTHON, "with_requests"]),
    ("Python", "httpx", "python/with_httpx.py", [*PYTHON, "with_httpx"]),
    ("Python", "`ahoy.Client`", "python/with_ahoy.py", [*PYTHON, "with_ahoy"]),
    ("Python", "requests on `ahoy.requests`", "python/with_requests_adapter.py", [*PYTHON, "with_requests_adapter"]),
    ("Python", "httpx on `ahoy.httpx`", "python/with_httpx_transport.py", [*PYTHON, "with_httpx_transport"]),
    ("Python, asyncio", "httpx", "python/with_httpx_async.py", [*PYTHON, "with_httpx_async"]),
    ("Python, asyncio", "`ahoy.AsyncClient`", "python/with_ahoy_async.py", [*PYTHON, "with_ahoy_async"]),
    ("Ruby", "net/http", "ruby/with_net_http.rb", [*RUBY, "with_net_http"]),
    ("Ruby", "Faraday", "ruby/with_faraday.rb", [*RUBY, "with_faraday"]),
    ("Ruby", "`Ahoy::Client`", "ruby/with_ahoy.rb", [*RUBY, "with_ahoy"]),
    ("Ruby", "Faraday on `ahoy/faraday`", "ruby/with_faraday_adapter.rb", [*RUBY, "with_faraday_adapter"]),
    ("Node", "undici", "node/with_undici.js", [*NODE, "with_undici"]),
    ("Node", "axios", "node/with_axios.js", [*NODE, "with_axios"]),
    ("Node", "`Client`", "node/with_ahoy.js", [*NODE, "with_ahoy"]),
    ("Go", "net/http", "go/net_http.go", [*GO, "net_http"]),
    ("Go", "`ahoy.Client`", "go/ahoy.go", [*GO, "ahoy"]),
    ("Go", "`http.Client` on `ahoy.Client`", "go/round_tripper.go", [*GO, "round_tripper"]),
]


def lines(path):
    """The lines of a program that are neither empty nor comment; a docstring of one line is comment."""
    mark = COMMENTS[path.suffix]
    stripped = [line.strip() for line in path.read_text().splitlines()]
    return sum(1 for line in stripped if line and not line.startswith((mark, '"""')))


def free_port():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        return unused.getsockname()[1]


def nginx(folder, ports):
    listen = "".join(f"listen 127.0.0.1:{port} backlog=4096; " for port in ports)
    (folder / "nginx.conf").write_text(
        f"worker_processes 1; daemon off; pid {folder}/pid; error_log {folder}/error.log;"
        "events { worker_connections 4096; }"
        f"http {{ access_log off; keepalive_requests 100000000; server {{ {listen}"
        "location / { default_type application/json; return 200 '{\"orders\": [1, 2]}'; } } }"
    )
    program = shutil.which("nginx") or "/usr/sbin/nginx"
    running = subprocess.Popen([program, "-e", str(folder / "error.log"), "-p", str(folder), "-c", str(folder / "nginx.conf")])
    deadline = time.monotonic() + 10
    while True:
        try:
            socket.create_connection(("127.0.0.1", ports[-1])).close()
            return running
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def go_built(folder, library):
    """The program of Go, with the archive that lies beside the library."""
    archive = next(path for path in (library.parent / "ready" / "libahoy.a", library.parent / "libahoy.a") if path.exists())
    subprocess.run([ROOT / "bindings" / "go" / "archive.sh", archive], check=True)
    environment = {**os.environ, "GOFLAGS": "-mod=mod", "GOPROXY": "off"}
    subprocess.run(["go", "build", "-o", folder / "measure", "."], cwd=HERE / "go", env=environment, check=True)
    os.environ["PATH"] = f"{folder}:{os.environ['PATH']}"


def node_ready():
    """Fetches what the programs of Node and the binding need."""
    for folder, needed in ((HERE / "node", "undici"), (ROOT / "bindings" / "node", "koffi")):
        if not (folder / "node_modules" / needed).exists():
            subprocess.run(["npm", "install", "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], cwd=folder, check=True)


def run(command, calls, at_once, hosts):
    """Seconds that the program told, answers, and processor seconds of the whole process."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ended = subprocess.run([*command, str(calls), str(at_once), *hosts], capture_output=True, text=True, timeout=300)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if ended.returncode:
        sys.exit(f"{command}: {ended.stdout}{ended.stderr}")
    seconds, answers = ended.stdout.split()
    used = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return float(seconds), int(answers), used


def measured(command, calls, hosts):
    """Calls a second one at a time and 16 at once, microseconds of processor for a call in each, and what failed."""
    _, _, idle = run(command, 0, 1, hosts)
    figures, failed = [], 0
    for at_once in (1, 16):
        seconds, answers, used = run(command, calls, at_once, hosts)
        figures += [calls / seconds, (used - idle) / calls * 1e6]
        failed += calls - answers
    return figures, failed


def main():
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("library")
    arguments.add_argument("languages", nargs="*", help="as the table names them; all by default")
    arguments.add_argument("--calls", type=int, default=4000)
    arguments.add_argument("--rounds", type=int, default=5)
    chosen = arguments.parse_args()
    library = pathlib.Path(chosen.library).resolve()
    os.environ["AHOY_LIBRARY"] = str(library)
    os.environ["RUBYLIB"] = str(ROOT / "bindings" / "ruby" / "lib")
    os.environ["PYTHONPATH"] = str(ROOT / "bindings" / "python" / "src")
    programs = [p for p in PROGRAMS if not chosen.languages or p[0].split(",")[0] in chosen.languages]
    rounds = {program[:2]: [] for program in programs}
    failures = dict.fromkeys(rounds, 0)
    if any(command[0] == NODE[0] for *_, command in programs):
        node_ready()
    with tempfile.TemporaryDirectory() as folder:
        if any(command[0] == GO[0] for *_, command in programs):
            go_built(pathlib.Path(folder), library)
        well, dead = [free_port(), free_port()], free_port()
        server = nginx(pathlib.Path(folder), well)
        hosts = [f"127.0.0.1:{port}" for port in (well[0], dead, well[1])]
        try:
            for _ in range(chosen.rounds):
                for language, client, _, command in programs:
                    figures, failed = measured(command, chosen.calls, hosts)
                    rounds[language, client].append(figures)
                    failures[language, client] += failed
        finally:
            server.terminate()
            server.wait()
    print("| language | client | lines | calls/s, one at a time | CPU of a call | calls/s, 16 at once | CPU of a call | failed |")
    print("|---|---|---|---|---|---|---|---|")
    for language, client, path, _ in programs:
        rate, used, rate_16, used_16 = (statistics.median(column) for column in zip(*rounds[language, client]))
        print(
            f"| {language} | {client} | {lines(HERE / path)} | {rate:,.0f} | {used:.0f} µs | {rate_16:,.0f} | {used_16:.0f} µs"
            f" | {failures[language, client]} |"
        )
    languages = dict.fromkeys(language.split(",")[0] for language, *_ in programs)
    told = [subprocess.check_output(VERSIONS[one], cwd=HERE / "node", text=True).strip() for one in languages]
    print("\n" + "; ".join(told))


main()
