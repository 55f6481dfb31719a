"""What the Python host programs need of libahoy, through ctypes."""

import ctypes
import os
from ctypes import POINTER, byref, c_bool, c_char_p, c_int32, c_uint16, c_uint64, c_void_p

# CDLL gives up Python's lock for the time of a call.
library = ctypes.CDLL(os.environ.get("AHOY_LIBRARY", "libahoy.so.0.1"))


def declare(name, result, *arguments):
    function = getattr(library, name)
    function.restype, function.argtypes = result, arguments


OUT = POINTER(c_void_p)
SHOULD_STOP = ctypes.CFUNCTYPE(c_bool, c_void_p)
declare("ahoy_provider_list_new", c_void_p)
declare("ahoy_provider_list_add", c_int32, c_void_p, c_char_p, c_uint16, OUT)
declare("ahoy_balancer_round_robin_new", c_void_p, c_void_p)
declare("ahoy_client_builder_new", c_void_p)
declare("ahoy_client_builder_set_balancer", c_int32, c_void_p, c_void_p, OUT)
declare("ahoy_client_builder_set_interruptible", c_int32, c_void_p, c_bool, OUT)
declare("ahoy_client_builder_set_should_stop", c_int32, c_void_p, SHOULD_STOP, c_void_p, c_void_p, OUT)
declare("ahoy_client_builder_build", c_int32, c_void_p, OUT, OUT)
declare("ahoy_client_get", c_int32, c_void_p, c_char_p, OUT, OUT)
declare("ahoy_client_start", c_int32, c_void_p, c_void_p, OUT, OUT)
declare("ahoy_client_free", None, c_void_p)
declare("ahoy_request_new", c_int32, c_char_p, c_char_p, OUT, OUT)
declare("ahoy_call_wait", c_int32, c_void_p, c_uint64, OUT, OUT)
declare("ahoy_call_free", None, c_void_p)
declare("ahoy_response_status", c_int32, c_void_p)
declare("ahoy_response_free", None, c_void_p)
declare("ahoy_status_name", c_char_p, c_int32)


class Failed(Exception):
    """Its text is the name of the status."""


def take(function, *arguments):
    out = c_void_p()
    status = function(*arguments, byref(out), None)
    if status != 0:
        raise Failed(library.ahoy_status_name(status).decode())
    return out


def client_over(port, should_stop=None):
    provider = library.ahoy_provider_list_new()
    library.ahoy_provider_list_add(provider, b"127.0.0.1", port, None)
    builder = library.ahoy_client_builder_new()
    library.ahoy_client_builder_set_balancer(
        builder, library.ahoy_balancer_round_robin_new(provider), None
    )
    if should_stop is None:
        library.ahoy_client_builder_set_interruptible(builder, True, None)
    else:
        library.ahoy_client_builder_set_should_stop(builder, should_stop, None, None, None)
    return take(library.ahoy_client_builder_build, builder)


def http_status(response):
    status = library.ahoy_response_status(response)
    library.ahoy_response_free(response)
    return status


def get(client, path):
    return http_status(take(library.ahoy_client_get, client, path))


def start(client, path):
    request = take(library.ahoy_request_new, b"GET", path)
    return take(library.ahoy_client_start, client, request)


def wait(call, timeout_ms=10_000):
    return http_status(take(library.ahoy_call_wait, call, timeout_ms))
