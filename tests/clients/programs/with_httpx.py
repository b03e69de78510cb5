"""A client with httpx, in its part of scenarios.py."""

import ssl

import scenarios

# docs: submit
import time

import httpx


def submit(client, base, order):
    """Sends an order until it has an outcome, which is returned."""
    pause = 0.1
    for _ in range(20):
        wait = pause
        try:
            reply = client.post(base + "/submit", json=order, timeout=60)
            if reply.status_code in (200, 201, 422):
                return reply.json()
            if reply.status_code in (429, 503):
                wait = int(reply.headers.get("Retry-After", 1))
            elif reply.status_code != 202:
                raise ValueError(reply.json()["detail"])
        except httpx.TransportError:
            pass  # taken or not: sent again, it is the same order
        time.sleep(wait)
        pause = min(2 * pause, 3)
    raise TimeoutError(order["id"])


# docs: end


class Client:
    """What the scenarios need."""

    def __init__(self, base, token, ca):
        verify = ssl.create_default_context(cafile=ca) if ca else True
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        self.base = base
        self.http = httpx.Client(verify=verify, headers=headers, timeout=100)

    async def send(self, method, path, body=None, headers=None):
        reply = await scenarios.on_a_thread(
            self.http.request, method, self.base + path, content=body, headers=headers
        )
        return reply.status_code, reply.headers, reply.content

    async def stream(self, path, pieces, headers):
        return await self.send("POST", path, pieces, headers)

    async def submit(self, order):
        return await scenarios.on_a_thread(submit, self.http, self.base, order)

    async def close(self):
        self.http.close()


scenarios.main(Client)
