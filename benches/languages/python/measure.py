"""Runs one of the programs beside it: measure.py MODULE CALLS AT_ONCE HOST... prints SECONDS ANSWERS."""

import asyncio
import contextlib
import importlib
import inspect
import sys
import threading
import time

# What the server answers.
ORDERS = {"orders": [1, 2]}


def in_threads(orders, calls, at_once, hosts):
    answers = [0] * at_once
    with orders.Orders(hosts) as service:

        def work(number):
            for _ in range(calls // at_once + (number < calls % at_once)):
                # A call that fails is counted by its lack.
                with contextlib.suppress(Exception):
                    answers[number] += service.orders() == ORDERS

        begun = time.perf_counter()
        if at_once == 1:
            work(0)
        else:
            threads = [threading.Thread(target=work, args=(n,)) for n in range(at_once)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        return time.perf_counter() - begun, sum(answers)


async def in_tasks(orders, calls, at_once, hosts):
    answers = [0] * at_once
    async with orders.Orders(hosts) as service:

        async def work(number):
            for _ in range(calls // at_once + (number < calls % at_once)):
                with contextlib.suppress(Exception):
                    answers[number] += await service.orders() == ORDERS

        begun = time.perf_counter()
        await asyncio.gather(*(work(n) for n in range(at_once)))
        return time.perf_counter() - begun, sum(answers)


def main(name, calls, at_once, *hosts):
    module = importlib.import_module(name)
    arguments = module, int(calls), int(at_once), list(hosts)
    if inspect.iscoroutinefunction(module.Orders.orders):
        seconds, answers = asyncio.run(in_tasks(*arguments))
    else:
        seconds, answers = in_threads(*arguments)
    print(seconds, answers)


main(*sys.argv[1:])
