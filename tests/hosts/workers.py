"""Workers of multiprocessing that are forked from a process whose client is in use.

    workers.py OK_PORT HANG_PORT
"""

import multiprocessing
import os
import sys
import threading

from ahoy import Failed, client_over, get, library, start, wait

client = client_over(int(sys.argv[1]))
hanging = client_over(int(sys.argv[2]))


def refused(function, *arguments):
    try:
        function(*arguments)
    except Failed as failed:
        return str(failed)
    return "no failure"


def work(number):
    assert refused(wait, in_flight) == "AHOY_E_FORKED"
    threads = [threading.Thread(target=get, args=(client, b"/thread")) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(10)
        assert not thread.is_alive()
    assert wait(start(client, b"/started")) == 200
    return get(client, b"/job/%d" % number)


def free_and_leave():
    library.ahoy_call_free(in_flight)
    library.ahoy_client_free(client)
    library.ahoy_client_free(hanging)


def ends_well(process):
    process.start()
    process.join(15)
    assert process.exitcode == 0, f"exit code {process.exitcode}"


def main():
    global in_flight
    fork = multiprocessing.get_context("fork")
    assert get(client, b"/parent") == 200
    in_flight = start(hanging, b"/in-flight")
    busy = threading.Thread(target=lambda: refused(wait, start(hanging, b"/busy")), daemon=True)
    busy.start()
    with fork.Pool(4) as pool:
        answers = pool.map_async(work, range(20)).get(60)
        assert answers == [200] * 20, answers
        assert get(client, b"/parent") == 200
    for _ in range(10):
        ends_well(fork.Process(target=free_and_leave))
        ends_well(fork.Process(target=work, args=(0,)))
        assert get(client, b"/parent") == 200
    # A worker that is ended while it calls, as Pool.terminate and gunicorn's timeouts do.
    hung = fork.Process(target=get, args=(hanging, b"/hang"))
    hung.start()
    hung.join(0.2)
    assert hung.is_alive()
    hung.terminate()
    hung.join(10)
    assert hung.exitcode == -15, hung.exitcode
    # os.fork itself, and a grandchild.
    child = os.fork()
    if child == 0:
        ends_well(fork.Process(target=work, args=(1,)))
        os._exit(0 if get(client, b"/child") == 200 else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert get(client, b"/parent") == 200
    print("well")


main()
