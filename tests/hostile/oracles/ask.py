#!/usr/bin/env python3
"""Asks curl, Go's net/http and Python's requests what they make of each answer in answers.tsv, and writes it there.

Columns: name, whether the peer closes after it, the answer, curl, Go, requests, libahoy. The last one is what
tests/hostile/lenient.rs demands, and is only ever changed by hand. `\\xNN`, `\\r`, `\\n`, `\\t`, `\\\\` stand for bytes,
`{N*text}` for N times text. Needs curl, go and `pip install requests`.
"""
import json, logging, os, re, socket, subprocess, sys, threading, warnings

FOLDER = os.path.dirname(os.path.abspath(__file__))
TABLE = os.path.join(FOLDER, "answers.tsv")


def unescaped(text):
    text = re.sub(r"\{(\d+)\*(.*?)\}", lambda m: m[2] * int(m[1]), text)
    return re.sub(rb"\\(x[0-9a-f]{2}|[rnt\\])", lambda m: byte(m[1]), text.encode("latin1"))


def byte(code):
    return {b"r": b"\r", b"n": b"\n", b"t": b"\t", b"\\": b"\\"}.get(code) or bytes([int(code[1:], 16)])


def serve(rows):
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    listener.listen(64)

    def one(peer):
        peer.settimeout(5)
        try:
            head = b""
            while b"\r\n\r\n" not in head:
                head += peer.recv(65536) or sys.exit()
            row = rows[int(head.split(b" ")[1][1:])]
            peer.sendall(unescaped(row[2]))
            if row[1] == "close":
                peer.shutdown(socket.SHUT_WR)
            peer.settimeout(1.5)
            while peer.recv(65536):
                pass
        except (OSError, SystemExit):
            pass
        finally:
            peer.close()

    def accept():
        while True:
            threading.Thread(target=one, args=(listener.accept()[0],), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener.getsockname()[1]


def told(status, body):
    shown = "".join(c if " " <= c <= "~" else "?" for c in body[:12].decode("latin1"))
    return f"{status} {shown}".strip()


def curl(url):
    command = ["curl", "-sS", "--compressed", "--http1.1", "-m", "3", "-w", "\n%{http_code}", url]
    done = subprocess.run(command, capture_output=True)
    body, _, status = done.stdout.rpartition(b"\n")
    return "-" if done.returncode else told(status.decode(), body)


def python(url):
    import requests

    warnings.simplefilter("ignore")
    logging.disable(logging.CRITICAL)
    session = requests.Session()
    session.trust_env = False
    try:
        answer = session.get(url, timeout=3, allow_redirects=False)
        return told(answer.status_code, answer.content)
    except Exception:
        return "-"


GO = """package main
import ("encoding/json"; "fmt"; "io"; "net/http"; "os"; "strconv"; "time")
func main() {
	count, _ := strconv.Atoi(os.Args[2])
	all := [][]string{}
	for i := 0; i < count; i++ {
		stay := func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
		client := http.Client{Transport: &http.Transport{}, Timeout: 3 * time.Second, CheckRedirect: stay}
		answer, err := client.Get(fmt.Sprintf("http://127.0.0.1:%s/%d", os.Args[1], i))
		if err != nil { all = append(all, nil); continue }
		body, err := io.ReadAll(answer.Body)
		if err != nil { all = append(all, nil); continue }
		all = append(all, []string{strconv.Itoa(answer.StatusCode), fmt.Sprintf("%x", body)})
	}
	json.NewEncoder(os.Stdout).Encode(all)
}
"""


def go(port, count):
    program = os.path.join(os.environ.get("TMPDIR", "/tmp"), "ahoy_oracle.go")
    with open(program, "w") as file:
        file.write(GO)
    done = subprocess.run(["go", "run", program, str(port), str(count)], capture_output=True, check=True)
    return ["-" if a is None else told(a[0], bytes.fromhex(a[1])) for a in json.loads(done.stdout)]


def main():
    lines = open(TABLE).read().splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    port = serve(rows)
    by_go = go(port, len(rows))
    for index, row in enumerate(rows):
        url = f"http://127.0.0.1:{port}/{index}"
        row[3:6] = [curl(url), by_go[index], python(url)]
    heads = [line for line in lines if line.startswith("#")]
    with open(TABLE, "w") as file:
        file.write("\n".join(heads + ["\t".join(row) for row in rows]) + "\n")


main()
