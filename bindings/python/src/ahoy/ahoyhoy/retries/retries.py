"""How often a call is repeated."""

from __future__ import annotations

import functools
import random
import time
from typing import Any, Callable

from ...retry import Retry as Rules


class HttpRetry:
    """Rules for a call. The client of a balancer leaves them to libahoy; called by themselves they repeat a function."""

    def __init__(
        self,
        exceptions: Any = Exception,
        tries: int = -1,
        delay: float = 0,
        max_delay: float | None = None,
        backoff: float = 1,
        jitter: Any = 0,
        logger: Any = None,
    ) -> None:
        self.exceptions = exceptions
        self.rules = Rules(tries=tries, delay=delay, max_delay=max_delay, backoff=backoff, jitter=jitter)

    def __call__(self, function: Callable[..., Any], fargs: Any = None, fkwargs: Any = None) -> Any:
        rules, delay = self.rules, self.rules.delay or 0.0
        tries = rules.tries or -1
        while True:
            try:
                return function(*(fargs or ()), **(fkwargs or {}))
            except self.exceptions:
                tries -= 1
                if tries == 0:
                    raise
            time.sleep(delay)
            least, most = rules.jitter if isinstance(rules.jitter, tuple) else (rules.jitter or 0, rules.jitter or 0)
            delay = delay * (rules.backoff or 1) + random.uniform(least, most)
            delay = delay if rules.max_delay is None else min(delay, rules.max_delay)


def Retry(retry_func: Callable[..., Any] | None = None, **rules: Any) -> Any:
    """Rules for HTTP calls: exceptions, tries (-1 for no limit), delay, max_delay, backoff, jitter.

    A function of your own takes the call and its arguments as `fargs` and `fkwargs`, and the rules by name.
    """
    return HttpRetry(**rules) if retry_func is None else functools.partial(retry_func, **rules)
