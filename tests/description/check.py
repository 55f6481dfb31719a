"""Holds include/ahoy.json and include/ahoy.ffi.h against the library: check.py LIBRARY.

The files are loaded as they are, by cffi here and by PHP's FFI and LuaJIT. What the description says of blocking and of
the threads of callbacks is compared with what the library does.
"""

import json
import os
import re
import socket
import subprocess
import sys
import threading

import cffi

HERE = os.path.dirname(os.path.abspath(__file__))
INCLUDE = os.path.join(HERE, "..", "..", "include")
LIBRARY = sys.argv[1]

with open(os.path.join(INCLUDE, "ahoy.json")) as file:
    description = json.load(file)
ffi = cffi.FFI()
with open(os.path.join(INCLUDE, "ahoy.ffi.h")) as file:
    ffi.cdef(file.read())
ahoy = ffi.dlopen(LIBRARY)
functions = {it["name"]: it for it in description["functions"]}
callbacks = {it["name"]: it for it in description["callbacks"]}
passed = failed = 0


def check(title, right, said=""):
    global passed, failed
    if right:
        passed += 1
    else:
        failed += 1
        print(f"FAILED: {title}", said)


def serve(listener):
    """Answers each request; one for /slow gets a head and no more."""
    while True:
        connection = listener.accept()[0]
        threading.Thread(target=answer, args=(connection,), daemon=True).start()


def answer(connection):
    held = b""
    while True:
        while b"\r\n\r\n" not in held:
            received = connection.recv(65536)
            if not received:
                return
            held += received
        head, held = held.split(b"\r\n\r\n", 1)
        length = re.search(rb"(?i)content-length: (\d+)", head)
        while length and len(held) < int(length[1]):
            held += connection.recv(65536)
        held = held[int(length[1]) :] if length else held
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n")
        if b" /slow " not in head:
            connection.sendall(b"hello")


listener = socket.create_server(("127.0.0.1", 0))
threading.Thread(target=serve, args=(listener,), daemon=True).start()
port = listener.getsockname()[1]


def must(status):
    if status != ahoy.AHOY_OK:
        raise RuntimeError(ffi.string(ahoy.ahoy_status_name(status)).decode())


def out(function, *arguments):
    """What a function puts into its place for a handle, freed as the description says."""
    of = next(it for it in functions[function]["parameters"] if it["role"] == "out")
    place = ffi.new(of["type"].replace("**", "*[1]"))
    must(getattr(ahoy, function)(*arguments, place, ffi.NULL))
    return ffi.gc(place[0], getattr(ahoy, of["free"]))


def new(function, *arguments):
    """What a constructor returns, freed as the description says."""
    return ffi.gc(getattr(ahoy, function)(*arguments), getattr(ahoy, functions[function]["returns"]["free"]))


# How to make a handle of each type.


def provider():
    made = new("ahoy_provider_list_new")
    must(ahoy.ahoy_provider_list_add(made, b"127.0.0.1", port, ffi.NULL))
    return made


def balancer():
    return new("ahoy_balancer_random_new", provider())


def builder(balancer):
    made = new("ahoy_client_builder_new")
    must(ahoy.ahoy_client_builder_set_balancer(made, balancer, ffi.NULL))
    return made


def client(made=None):
    return out("ahoy_client_builder_build", made or builder(balancer()))


def request(path=b"/", method=b"GET"):
    return out("ahoy_request_new", method, path)


def response(path=b"/slow"):
    made = request(path)
    must(ahoy.ahoy_request_set_streamed(made, True, ffi.NULL))
    return out("ahoy_client_send", client(), made)


def event():
    queue, made = out("ahoy_queue_new"), balancer()
    must(ahoy.ahoy_balancer_add_event_queue(made, queue, ffi.NULL))
    must(ahoy.ahoy_balancer_update(made, ffi.NULL))
    return out("ahoy_queue_next_event", queue, 10_000)


MAKE = {
    "ahoy_provider": provider,
    "ahoy_balancer": balancer,
    "ahoy_breaker": lambda: new("ahoy_breaker_new"),
    "ahoy_retry": lambda: new("ahoy_retry_new"),
    "ahoy_host": lambda: new("ahoy_host_new", b"127.0.0.1", port),
    "ahoy_endpoint": lambda: out("ahoy_balancer_pick", balancer()),
    "ahoy_client_builder": lambda: builder(balancer()),
    "ahoy_client": client,
    "ahoy_request": request,
    "ahoy_response": response,
    "ahoy_call": lambda: out("ahoy_client_start", client(), request(b"/slow")),
    "ahoy_queue": lambda: out("ahoy_queue_new"),
    "ahoy_snapshot": lambda: out("ahoy_client_snapshot", client()),
    "ahoy_event": event,
}


def argument(parameter):
    """A value that the description allows."""
    role, kind = parameter["role"], parameter["type"]
    if role == "handle":
        made = kind.removeprefix("const ").removesuffix(" *")
        return MAKE[made]() if made in MAKE else None
    if role in ("out", "out_array", "out_value"):
        return ffi.new(kind.removesuffix("*") + "[1]")
    if role in ("bytes", "buffer"):
        return ffi.new("uint8_t[1]")
    if role == "text":
        return ffi.new("char[]", b"/" if parameter["name"] == "path" else b"a")
    if role == "array":
        return ffi.new(kind.removeprefix("const ").removesuffix("*") + "[1]") if "char" not in kind else None
    if role in ("callback", "user_data", "destroy", "error"):
        return ffi.NULL
    return 1


def inside(call):
    """Runs `call` in a callback of the library, and hands out its result."""
    results = []

    @ffi.callback("ahoy_sample_fn")
    def once(_, __):
        if not results:
            results.append(call())

    made = client()
    must(ahoy.ahoy_snapshot_each(out("ahoy_client_snapshot", made), once, ffi.NULL, ffi.NULL))
    return results[0]


def check_blocking():
    """What may wait is refused inside a callback, and nothing else is."""
    tried = 0
    for name, function in functions.items():
        if function["returns"]["type"] != "ahoy_status":
            check(f"{name}: what cannot refuse does not block", function["blocks"] == "never")
            continue
        arguments = [argument(it) for it in function["parameters"]]
        if any(it is None for it in arguments):
            check(f"{name}: cannot be tried, so it does not block", function["blocks"] == "never")
            continue
        status = inside(lambda: getattr(ahoy, name)(*arguments))
        tried += 1
        refused = status == ahoy.AHOY_E_WOULD_DEADLOCK
        said = f"blocks: {function['blocks']}, and inside a callback {status}"
        check(f"{name} blocks as described", refused == (function["blocks"] == "waits"), said)
        # What came out is the host's.
        for parameter, value in zip(function["parameters"], arguments):
            if parameter["role"] in ("out", "out_array") and status == ahoy.AHOY_OK:
                getattr(ahoy, parameter["free"])(value[0])
    check("functions were tried inside a callback", tried > 150, tried)


def thread():
    """The name that the system knows of the thread that runs this."""
    with open("/proc/thread-self/comm") as file:
        return threading.get_native_id(), file.read().strip()


def keep(kind, result, seen):
    """A callback that notes its threads and returns `result`."""

    def run(_, *arguments):
        seen.append(thread())
        return result(*arguments) if callable(result) else result

    return ffi.callback(kind, run)


def check_threads():
    """A callback runs where the description says: in a blocking call, and in a started one."""
    seen = {name: [] for name in callbacks}
    kept = []

    def fn(kind, result=None):
        kept.append(keep(kind, result, seen[kind]))
        return kept[-1]

    def register(function, *arguments):
        must(getattr(ahoy, function)(*arguments, ffi.NULL, ffi.NULL, ffi.NULL))

    def parts():
        add = lambda hosts: ahoy.ahoy_hosts_add(hosts, b"127.0.0.1", port, ffi.NULL)
        hosts = new("ahoy_provider_custom_new", fn("ahoy_provider_fn", add), ffi.NULL, ffi.NULL)
        pick = fn("ahoy_balancer_fn", 0)
        made = builder(new("ahoy_balancer_custom_new", hosts, pick, ffi.NULL, ffi.NULL))
        register("ahoy_client_builder_on_request", made, fn("ahoy_request_fn", 0))
        register("ahoy_client_builder_on_response", made, fn("ahoy_response_fn"))
        return client(made)

    def upload():
        def fill(buffer, capacity, length):
            length[0] = 1
            return ahoy.AHOY_BODY_DATA

        made = request(method=b"PUT")
        source = fn("ahoy_body_fn", fill)
        must(ahoy.ahoy_request_set_body_source(made, source, ffi.NULL, ffi.NULL, ffi.NULL, 1, ffi.NULL))
        return made

    me = threading.get_native_id()
    out("ahoy_client_send", parts(), upload())
    for name in ["ahoy_provider_fn", "ahoy_balancer_fn", "ahoy_request_fn", "ahoy_response_fn", "ahoy_body_fn"]:
        check(f"{name} ran", seen[name])
        check(f"{name} of a blocking call", {it[0] for it in seen[name]} == {me}, seen[name])
        # A provider is asked on a thread of its own as well.
        described = "any" if name == "ahoy_provider_fn" else "call"
        check(f"{name} as described", callbacks[name]["thread"] == described)
        seen[name].clear()

    ended = threading.Event()

    def done(status, response, error):
        ahoy.ahoy_response_free(response)
        ahoy.ahoy_error_free(error)
        ended.set()

    made = parts()
    # The provider is asked before, on this thread.
    out("ahoy_client_get", made, b"/")
    for threads in seen.values():
        threads.clear()
    call = out("ahoy_client_start", made, upload())
    register("ahoy_call_on_done", call, fn("ahoy_done_fn", done))
    check("a started call ends", ended.wait(10))
    streamed = response(b"/")
    ended.clear()
    register("ahoy_response_on_readable", streamed, fn("ahoy_readable_fn", lambda: ended.set()))
    check("a body can be read", ended.wait(10))
    for name in ["ahoy_balancer_fn", "ahoy_request_fn", "ahoy_response_fn", "ahoy_body_fn", "ahoy_done_fn", "ahoy_readable_fn"]:
        check(f"{name} ran", seen[name])
        foreign = all(it[0] != me and it[1].startswith("ahoy-") for it in seen[name])
        check(f"{name} of a started call", foreign, seen[name])
    for name in ["ahoy_done_fn", "ahoy_readable_fn"]:
        check(f"{name} as described", callbacks[name]["thread"] == "io" and callbacks[name]["must_not_block"])
    for name in ["ahoy_sample_fn", "ahoy_should_stop_fn"]:
        check(f"{name} as described", callbacks[name]["thread"] == "caller")
    check("a sample is shown on the caller's thread", inside(thread)[0] == me)


def check_constants():
    for constant in description["constants"]:
        name, value = constant["name"], constant["value"]
        if isinstance(value, int):
            check(f"{name} is what cffi reads", getattr(ahoy, name) == value)
    for status in description["statuses"]:
        name = ffi.string(ahoy.ahoy_status_name(status["value"])).decode()
        check(f"{status['name']} is what the library calls it", name == status["name"], name)
    named = {member for it in description["enums"] for member in it["members"]}
    lonely = {it["name"] for it in description["constants"]} - named
    check("constants outside enums", lonely == {"AHOY_FOREVER", "AHOY_UNKNOWN_LENGTH"}, lonely)


def check_optional():
    """Parameters that take NULL are those for which the NULL test expects no refusal."""
    with open(os.path.join(HERE, "..", "null_preamble.h")) as file:
        table = re.search(r"may_be_null\[\] = \{(.*?)\}", file.read(), re.S)[1]
    table = set(re.findall(r'"(.*?)"', table))
    for name, function in functions.items():
        if function["returns"]["type"] != "ahoy_status" and name != "ahoy_event_number":
            continue
        for it in function["parameters"]:
            if it["role"] in ("text", "out_value", "callback"):
                known = bool({f"{name}.{it['name']}", f"*.{it['name']}"} & table)
                check(f"{name}.{it['name']} takes NULL as described", it.get("optional", False) == known)


def check_settings():
    """The settings are those that the library lists."""
    for scope, prefix in [("client", "retry_"), ("retry", ""), ("balancer", "breaker_"), ("breaker", ""), ("provider", "")]:
        count = getattr(ahoy, f"ahoy_{scope}_option_count")()
        key = getattr(ahoy, f"ahoy_{scope}_option_key_at")
        listed = {ffi.string(key(at)).decode() for at in range(count)}
        own = {it["key"] for it in description["settings"] if it["scope"] == scope}
        parts = {it for it in listed - own if prefix and it.startswith(prefix)}
        check(f"settings of {scope}", own and own <= listed and own | parts == listed, listed ^ own)
    for setting in description["settings"]:
        check(f"{setting['key']} has its function", setting["function"] in functions)


def check_host(name, *command):
    ran = subprocess.run([*command, LIBRARY, str(port)], capture_output=True, text=True, timeout=60)
    check(f"{name} loads ahoy.ffi.h and makes a call", ran.stdout == "200 hello\n", ran.stdout + ran.stderr)


check("cffi reads the version", ffi.string(ahoy.ahoy_version()).decode() == description["version"])
check_constants()
check_optional()
check_settings()
check_blocking()
check_threads()
check_host("PHP", "php", os.path.join(HERE, "load.php"))
check_host("LuaJIT", "luajit", os.path.join(HERE, "load.lua"))
print(f"description: {passed} passed, {failed} failed")
# No callback may come while Python is taken down.
must(ahoy.ahoy_callbacks_stop(10_000, ffi.NULL))
sys.exit(failed > 0)
