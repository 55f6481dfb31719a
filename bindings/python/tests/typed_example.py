"""A program that mypy --strict reads; see test_acceptance."""

import asyncio
from typing import List

import ahoy


def orders(hosts: List[str]) -> int:
    with ahoy.Client(hosts, timeout=2.0, retry=ahoy.Retry(tries=3, delay=0.05), options={"max_in_flight": 100}) as client:
        response = client.get("/orders", params={"page": 2}, headers={"accept": "application/json"})
        attempts: List[float] = [attempt.elapsed for attempt in response.attempts]
        text: str = response.text
        try:
            print(client.post("/orders", json={"id": 1}).raise_for_status().json())
        except ahoy.TimeoutError as error:
            code: str = error.code
            print(code, error.attempts)
        with client.stream("GET", "/events") as streamed:
            for event in streamed.events():
                data: str = event.data
                print(data)
        return len(attempts) + len(text) + response.status


async def awaited(hosts: List[str]) -> bytes:
    async with ahoy.AsyncClient(hosts) as client:
        async with client.stream("GET", "/big") as response:
            return b"".join([piece async for piece in response.aiter_bytes()])


class Orders(ahoy.Client):
    def first(self) -> str:
        return self.get("/orders/1").text


class AwaitedOrders(ahoy.AsyncClient):
    async def first(self) -> str:
        return (await self.get("/orders/1")).text


async def derived(hosts: List[str]) -> str:
    with Orders(hosts) as client:
        async with AwaitedOrders(hosts) as other:
            return client.first() + await other.first()


asyncio.run(awaited([]))
