"""A client with requests, in its part of scenarios.py."""

import scenarios

# docs: submit
import requests
from requests.adapters import HTTPAdapter
from urllib3.util import Retry


def session():
    """One that sends an order again itself, when the service says."""
    retry = Retry(
        total=20,
        allowed_methods=None,  # POST, too: an order's id makes that safe
        status_forcelist=(429, 503),  # after the Retry-After of the reply
        backoff_factor=0.1,  # after a broken connection
        backoff_max=3,
    )
    session = requests.Session()
    for scheme in "http://", "https://":
        session.mount(scheme, HTTPAdapter(max_retries=retry, pool_maxsize=20))
    return session


def submit(session, base, order):
    """Sends an order until it has an outcome, which is returned."""
    for _ in range(20):
        reply = session.post(base + "/submit", json=order, timeout=(5, 60))
        if reply.status_code in (200, 201, 422):
            return reply.json()
        if reply.status_code != 202:  # taken: asked again, the service waits
            raise ValueError(reply.json()["detail"])
    raise TimeoutError(order["id"])


# docs: end


class Client:
    """What the scenarios need."""

    def __init__(self, base, token, ca):
        self.base = base
        self.retrying = session()
        self.plain = requests.Session()
        for session_ in self.retrying, self.plain:
            session_.verify = ca or True
            if token:
                session_.headers["Authorization"] = f"Bearer {token}"

    async def send(self, method, path, body=None, headers=None):
        reply = await scenarios.on_a_thread(
            self.plain.request, method, self.base + path, data=body, headers=headers, timeout=100
        )
        return reply.status_code, reply.headers, reply.content

    async def stream(self, path, pieces, headers):
        return await self.send("POST", path, pieces, headers)

    async def submit(self, order):
        return await scenarios.on_a_thread(submit, self.retrying, self.base, order)

    async def close(self):
        self.retrying.close()
        self.plain.close()


scenarios.main(Client)
