"""httpx on asyncio, and what has to be written around it."""

import asyncio
import itertools
import time

import httpx


class Orders:
    def __init__(self, hosts):
        self.hosts = hosts
        self.turns = itertools.count()
        self.out_until = {}
        self.client = httpx.AsyncClient()

    def choose(self, tried):
        now = time.monotonic()
        left = [h for h in self.hosts if h not in tried] or self.hosts
        well = [h for h in left if self.out_until.get(h, 0) <= now] or left
        return well[next(self.turns) % len(well)]

    async def attempt(self, host, left):
        answer = await asyncio.wait_for(self.client.get(f"http://{host}/orders", timeout=left), left)
        answer.raise_for_status()
        return answer.json()

    async def orders(self):
        deadline = time.monotonic() + 2
        tried, failure = [], None
        while len(tried) < 3 and (left := deadline - time.monotonic()) > 0:
            host = self.choose(tried)
            tried.append(host)
            try:
                return await self.attempt(host, left)
            except httpx.HTTPStatusError as error:
                if error.response.status_code < 500:
                    raise
                failure = error
            except (httpx.HTTPError, asyncio.TimeoutError) as error:
                failure = error
            self.out_until[host] = time.monotonic() + 1
        raise failure or TimeoutError("no host answered in time")

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.client.aclose()
