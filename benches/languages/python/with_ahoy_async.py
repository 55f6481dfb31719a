"""libahoy's own client for asyncio."""

import ahoy


class Orders:
    def __init__(self, hosts):
        self.client = ahoy.AsyncClient(hosts, timeout=2)

    async def orders(self):
        answer = await self.client.get("/orders")
        return answer.raise_for_status().json()

    async def __aenter__(self):
        return self

    async def __aexit__(self, *_):
        await self.client.aclose()
