"""Leaves while callbacks come: the interpreter ends threads that ask for its lock meanwhile.

    exit.py KIND HOW OK_PORT HANG_PORT EXIT_PY.SO

KIND is what calls back: done, log, hooks, provider, destroy, or blocked (daemon threads inside blocking calls, which call
back as hooks and should_stop). HOW:

    plain         returns from the main program
    stop          the same, with ahoy_callbacks_stop at the interpreter's exit
    slow, slow-stop   the process lives on for 0.2 s after the interpreter is gone, with a call: without the stop its
                      callback comes to nothing that could take it (not blocked)
"""

import atexit
import ctypes
import random
import sys
import threading
import time
from ctypes import CFUNCTYPE, c_char_p, c_int32, c_uint16, c_uint64, c_void_p

from ahoy import OUT, SHOULD_STOP, Failed, declare, library, take

kind, how, ok, hang = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
DONE = CFUNCTYPE(None, c_void_p, c_int32, c_void_p, c_void_p)
DESTROY = CFUNCTYPE(None, c_void_p)
LOG = CFUNCTYPE(None, c_void_p, c_int32, c_char_p, c_char_p)
REQUEST = CFUNCTYPE(c_int32, c_void_p, c_void_p)
RESPONSE = CFUNCTYPE(None, c_void_p, c_void_p)
PROVIDER = CFUNCTYPE(c_int32, c_void_p, c_void_p)
declare("ahoy_call_on_done", c_int32, c_void_p, DONE, c_void_p, DESTROY, OUT)
declare("ahoy_client_builder_on_log", c_int32, c_void_p, c_int32, LOG, c_void_p, DESTROY, OUT)
declare("ahoy_client_builder_on_request", c_int32, c_void_p, REQUEST, c_void_p, DESTROY, OUT)
declare("ahoy_client_builder_on_response", c_int32, c_void_p, RESPONSE, c_void_p, DESTROY, OUT)
declare("ahoy_client_builder_on_error", c_int32, c_void_p, RESPONSE, c_void_p, DESTROY, OUT)
declare("ahoy_provider_custom_new", c_void_p, PROVIDER, c_void_p, DESTROY)
declare("ahoy_hosts_add", c_int32, c_void_p, c_char_p, c_uint16, OUT)
declare("ahoy_balancer_update", c_int32, c_void_p, OUT)
declare("ahoy_balancer_free", None, c_void_p)
declare("ahoy_provider_free", None, c_void_p)
declare("ahoy_request_set_timeout_ms", c_int32, c_void_p, c_uint64, OUT)
declare("ahoy_request_free", None, c_void_p)
declare("ahoy_error_free", None, c_void_p)
declare("ahoy_callbacks_stop", c_int32, c_uint64, OUT)

NONE = DESTROY()


def nothing(*_):
    """Long enough that the interpreter's lock is passed around."""
    return sum(range(200)) * 0


on_log, on_request, on_response = LOG(nothing), REQUEST(nothing), RESPONSE(nothing)
destroyed = DESTROY(nothing)


@SHOULD_STOP
def should_stop(_):
    return False


@PROVIDER
def provide(_, out):
    return library.ahoy_hosts_add(out, b"127.0.0.1", port_of_provider, None)


def client_over(port, provider=None):
    if provider is None:
        provider = library.ahoy_provider_list_new()
        library.ahoy_provider_list_add(provider, b"127.0.0.1", port, None)
    balancer = library.ahoy_balancer_round_robin_new(provider)
    builder = library.ahoy_client_builder_new()
    library.ahoy_client_builder_set_balancer(builder, balancer, None)
    library.ahoy_client_builder_set_interruptible(builder, True, None)
    if kind == "log":
        library.ahoy_client_builder_on_log(builder, 4, on_log, None, NONE, None)
    if kind in ("hooks", "blocked"):
        library.ahoy_client_builder_on_request(builder, on_request, None, NONE, None)
        library.ahoy_client_builder_on_response(builder, on_response, None, NONE, None)
        library.ahoy_client_builder_on_error(builder, on_response, None, NONE, None)
    if kind == "blocked":
        library.ahoy_client_builder_set_should_stop(builder, should_stop, None, NONE, None)
    return take(library.ahoy_client_builder_build, builder)


def begin(client, timeout_ms):
    """A call that ends at its limit, or as soon as it is answered."""
    request = take(library.ahoy_request_new, b"GET", b"/")
    library.ahoy_request_set_timeout_ms(request, timeout_ms, None)
    call = take(library.ahoy_client_start, client, request)
    library.ahoy_request_free(request)
    if kind in ("done", "destroy"):
        done = on_done if kind == "done" else DONE_BY_C
        library.ahoy_call_on_done(call, done, None, destroyed if kind == "destroy" else NONE, None)
        library.ahoy_call_free(call)


@DONE
def on_done(_, status, response, error):
    library.ahoy_response_free(response)
    library.ahoy_error_free(error)
    if status == 0:
        begin(well, 1000)


def ask_for_ever(balancer):
    while True:
        library.ahoy_balancer_update(balancer, None)


def get_for_ever(client):
    while True:
        try:
            library.ahoy_response_free(take(library.ahoy_client_get, client, b"/"))
        except Failed:
            pass


def start_for_ever(client):
    while True:
        begin(client, 1000)
        time.sleep(0.0005)


def daemon(work, *arguments):
    threading.Thread(target=work, args=arguments, daemon=True).start()


if "stop" in how:
    # It gives up the interpreter's lock meanwhile, as every function of CDLL does.
    atexit.register(lambda: library.ahoy_callbacks_stop(10_000, None) and sys.exit("callbacks go on"))
port_of_provider = ok
no_python = ctypes.CDLL(sys.argv[5])
# Of such a call only `destroy` is the interpreter's.
DONE_BY_C = ctypes.cast(no_python.free_both, DONE)
well, hanging = client_over(ok), client_over(hang)
provided = lambda: library.ahoy_provider_custom_new(provide, None, NONE)
if "slow" in how:
    client = client_over(ok, provided()) if kind == "provider" else well
    done = {"done": on_done, "destroy": DONE_BY_C}.get(kind, DONE())
    no_python.call_later.argtypes = c_void_p, DONE, DESTROY
    no_python.call_later(client, done, destroyed if kind == "destroy" else NONE)
elif kind == "provider":
    for _ in range(4):
        daemon(ask_for_ever, library.ahoy_balancer_round_robin_new(provided()))
    daemon(start_for_ever, client_over(ok, provided()))
elif kind == "blocked":
    for client in (well, hanging) * 4:
        daemon(get_for_ever, client)
else:
    # Their limits are over at any moment of the exit.
    for _ in range(60):
        begin(hanging, random.randrange(20, 200))
    for _ in range(8):
        begin(well, 1000)
    if kind != "done":
        daemon(start_for_ever, well)
    if kind == "hooks":
        daemon(get_for_ever, well)
time.sleep(random.random() * 0.02 + 0.03)
