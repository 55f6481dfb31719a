"""Ctrl-C in the middle of a call that hangs.

    ctrl_c.py get|wait|should-stop OK_PORT HANG_PORT
"""

import os
import signal
import sys
import threading
import time

from ahoy import SHOULD_STOP, Failed, client_over, get, start, wait

way = sys.argv[1]


@SHOULD_STOP
def should_stop(_):
    # Python runs its handlers as soon as it runs anything.
    return bool(interrupted)


interrupted = []
if way == "should-stop":
    # The default handler would raise inside the callback, which ctypes cannot pass on.
    signal.signal(signal.SIGINT, lambda *_: interrupted.append(True))
client = client_over(int(sys.argv[2]))
hanging = client_over(int(sys.argv[3]), should_stop if way == "should-stop" else None)
assert get(client, b"/") == 200
sent = []


def press():
    time.sleep(0.275)
    sent.append(time.monotonic())
    os.kill(os.getpid(), 2)


threading.Thread(target=press).start()
try:
    if way == "wait":
        wait(start(hanging, b"/"), 30_000)
    else:
        get(hanging, b"/")
    sys.exit("answered?")
except KeyboardInterrupt:
    pass
except Failed as failed:
    assert str(failed) == "AHOY_E_INTERRUPTED", failed
    assert way == "should-stop" and interrupted, "no handler ran"
late = (time.monotonic() - sent[0]) * 1000
assert late < 1500, f"after {late} ms"
assert get(client, b"/") == 200
if os.environ.get("AHOY_FIGURES"):
    print(f"noticed after {late:.1f} ms", file=sys.stderr)
print("well")
