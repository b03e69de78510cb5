"""A client with aiohttp, in its part of scenarios.py."""

import ssl

import scenarios

# docs: submit
import asyncio

import aiohttp


async def submit(session, base, order):
    """Sends an order until it has an outcome, which is returned."""
    pause = 0.1
    for _ in range(20):
        wait = pause
        try:
            async with session.post(base + "/submit", json=order) as reply:
                body = await reply.json(content_type=None)
                if reply.status in (200, 201, 422):
                    return body
                if reply.status in (429, 503):
                    wait = int(reply.headers.get("Retry-After", 1))
                elif reply.status != 202:
                    raise ValueError(body["detail"])
        except (aiohttp.ClientConnectionError, aiohttp.ClientPayloadError, TimeoutError):
            pass  # taken or not: sent again, it is the same order
        await asyncio.sleep(wait)
        pause = min(2 * pause, 3)
    raise TimeoutError(order["id"])


# docs: end


class Client:
    """What the scenarios need."""

    def __init__(self, base, token, ca):
        context = ssl.create_default_context(cafile=ca) if ca else True
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.base = base
        self.http = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context),
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=100),
        )

    async def send(self, method, path, body=None, headers=None, **more):
        url = self.base + path
        async with self.http.request(method, url, data=body, headers=headers, **more) as reply:
            return reply.status, reply.headers, await reply.read()

    async def stream(self, path, pieces, headers):
        async def later():
            for piece in pieces:
                yield piece
                await asyncio.sleep(0)

        return await self.send("POST", path, later(), headers)

    async def expect(self, body):
        """The body is sent when it is asked for."""
        return await self.send("POST", "/submit", body, expect100=True)

    async def submit(self, order):
        return await submit(self.http, self.base, order)

    async def close(self):
        await self.http.close()


scenarios.main(Client)
