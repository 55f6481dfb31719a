#!/usr/bin/env python3
"""Runs every program of docs/languages as it stands there, with the ports of hosts that run.

Of the hosts in the pages, port 8001 is dead, 8002 and 8003 are well: the service of docs/languages/README.md serves there.
"""

import contextlib
import os
import pathlib
import re
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "bindings" / "python" / "tests"))
from support import answers, eventually, free_port  # noqa: E402

PAGES = ROOT / "docs" / "languages"
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```", re.M | re.S)


def c(folder, program):
    """Warnings are errors. The library that is tested is linked, and loaded by its name in LD_LIBRARY_PATH."""
    (folder / "program.c").write_text(program)
    build = ["cc", "-Wall", "-Wextra", "-Werror", f"-I{ROOT}/include", "program.c", os.environ["AHOY_LIBRARY"]]
    subprocess.run([*build, "-o", "program"], cwd=folder, check=True)
    return ["./program"], {}


def python(folder, program):
    (folder / "program.py").write_text(program)
    return ["/usr/bin/python3", "program.py"], {"PYTHONPATH": str(ROOT / "bindings/python/src")}


def ruby(folder, program):
    (folder / "program.rb").write_text(program)
    return ["ruby", "-I", str(ROOT / "bindings/ruby/lib"), "program.rb"], {}


def js(folder, program):
    (folder / "node_modules").mkdir()
    (folder / "node_modules" / "ahoy-client").symlink_to(ROOT / "bindings" / "node")
    (folder / "program.mjs").write_text(program)
    return ["node", "program.mjs"], {}


def go(folder, program):
    (folder / "main.go").write_text(program)
    module = "github.com/libahoy/libahoy/bindings/go"
    (folder / "go.mod").write_text(
        f"module program\n\ngo 1.18\n\nrequire {module} v0.0.0\n\nreplace {module} => {ROOT / 'bindings' / 'go'}\n"
    )
    return ["go", "run", "."], {"GOFLAGS": "-mod=mod", "GOPROXY": "off"}


RUNNERS = {"c": c, "python": python, "ruby": ruby, "js": js, "go": go}


@contextlib.contextmanager
def service():
    """The service that README.md of the pages shows; gives the ports of a dead host and of two that are well."""
    [(_, program)] = BLOCK.findall((PAGES / "README.md").read_text())
    ports = [free_port() for _ in range(3)]
    with subprocess.Popen([sys.executable, "-c", program, *map(str, ports[1:])], stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: all(answers(port) for port in ports[1:]))
            yield ports
        finally:
            process.kill()


def main():
    passed = failed = 0
    with service() as ports:
        pages = sorted(set(PAGES.glob("*.md")) - {PAGES / "README.md"})
        for page in pages + sorted((ROOT / "bindings").glob("*/README.md")):
            for number, (language, program) in enumerate(BLOCK.findall(page.read_text()), 1):
                if language not in RUNNERS:
                    continue
                for stated, port in zip(("8001", "8002", "8003"), ports):
                    program = program.replace(stated, str(port))
                with tempfile.TemporaryDirectory() as folder:
                    command, environment = RUNNERS[language](pathlib.Path(folder), program)
                    ended = subprocess.run(
                        command, cwd=folder, env={**os.environ, **environment}, capture_output=True, text=True, timeout=120
                    )
                if ended.returncode == 0 and ended.stdout:
                    passed += 1
                else:
                    failed += 1
                    print(f"FAIL  {page.relative_to(ROOT)}, block {number}\n{ended.stdout}{ended.stderr}")
    print(f"Ran {passed + failed} tests in")
    sys.exit(failed > 0)


main()
