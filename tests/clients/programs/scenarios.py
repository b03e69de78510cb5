"""What each client in Python does: PROGRAM URL SCENARIO...

CA names a certificate to trust, TOKEN is sent with each request.
"""

import asyncio
import gzip as gzip_
import json
import os
import sys
from concurrent.futures import ThreadPoolExecutor

NDJSON = {"Content-Type": "application/x-ndjson"}
threads = ThreadPoolExecutor(10)


async def on_a_thread(function, *args, **named):
    """Calls a function that blocks."""
    loop = asyncio.get_running_loop()
    return await loop.run_in_executor(threads, lambda: function(*args, **named))


async def post(client, order, headers=()):
    headers = {"Content-Type": "application/json", **dict(headers)}
    status, headers, body = await client.send("POST", "/submit", json.dumps(order), headers)
    return status, headers, json.loads(body)


async def submits(client, id):
    outcome = await client.submit({"id": id, "value": "100.50"})
    assert (outcome["id"], outcome["status"]) == (id, "processed"), outcome


async def order(client):
    status, headers, outcome = await post(client, {"id": "one", "value": 100.5})
    assert (status, headers["Content-Type"]) == (201, "application/json"), outcome
    assert (outcome["id"], outcome["status"]) == ("one", "processed") and outcome["seq"] > 0


async def duplicate(client):
    key = {"Idempotency-Key": '"key-1"'}
    status, _, first = await post(client, {"value": "7"}, key)
    assert (status, first["id"]) == (201, "key-1"), first
    status, headers, again = await post(client, {"value": "7"}, key)
    assert (status, headers["Idempotent-Replayed"]) == (200, "true"), again
    assert again == {**first, "duplicate": True}


async def invalid(client):
    status, headers, problem = await post(client, {"id": "no-value"})
    assert (status, headers["Content-Type"]) == (400, "application/problem+json"), problem
    assert problem["type"] == "/problems/invalid-order" and problem["retry_safe"] is False


def pieces(name, count):
    """The lines of a batch, some at a time."""
    for at in range(0, count, 50):
        lines = (f'{{"id":"{name}-{i}","value":{i + 1}}}\n' for i in range(at, at + 50))
        yield "".join(lines).encode()


def all_processed(reply, count):
    status, headers, body = reply
    assert (status, headers["Content-Type"]) == (200, "application/x-ndjson"), body
    results = [json.loads(line) for line in body.splitlines()]
    assert [result["status"] for result in results] == ["processed"] * count


async def stream(client):
    all_processed(await client.stream("/submit", pieces("s", 2000), NDJSON), 2000)


async def coded(client, coding, encode):
    body = encode(b"".join(pieces(coding, 500)))
    headers = {**NDJSON, "Content-Encoding": coding}
    all_processed(await client.send("POST", "/submit", body, headers), 500)


async def gzip(client):
    await coded(client, "gzip", gzip_.compress)


async def zstd(client):
    import zstandard

    await coded(client, "zstd", zstandard.compress)


async def feed(client):
    after = 0

    async def page(wait):
        nonlocal after
        status, headers, body = await client.send("GET", f"/orders?after={after}&wait={wait}")
        assert status == 200 and len(headers["Orders-Ledger-Id"]) == 32, body
        outcomes = [json.loads(line) for line in body.splitlines()]
        assert [outcome["seq"] for outcome in outcomes] == [
            after + 1 + at for at in range(len(outcomes))
        ]
        after += len(outcomes)
        return outcomes

    while await page(0):
        pass
    waited = asyncio.create_task(page(60))
    await asyncio.sleep(0.1)  # most likely it waits by now
    await submits(client, "awaited")
    assert [outcome["id"] for outcome in await waited] == ["awaited"]


async def head(client):
    status, headers, body = await client.send("HEAD", "/openapi.json")
    assert status == 200 and int(headers["Content-Length"]) > 1000 and body == b""
    status, headers, _ = await client.send("OPTIONS", "/submit")
    assert (status, headers["Allow"]) == (405, "POST")


async def expect(client):
    for padding, expected in (30_000, 201), (200_000, 413), (40_000, 201):
        order = {"id": f"x-{padding}", "value": 1, "p": "p" * padding}
        status, _, body = await client.expect(json.dumps(order))
        assert status == expected, body


async def reuse(client):
    for i in range(1000):
        status, _, outcome = await post(client, {"id": f"r-{i}", "value": 1})
        assert status == 201, outcome


async def idle(client):
    """An order on a connection closed meanwhile, then some that may cross with its end."""
    timeout = int(os.environ["IDLE_TIMEOUT"].removesuffix("ms")) / 1000
    for i in range(2):
        status, _, outcome = await post(client, {"id": f"i-{i}", "value": 1})
        assert status == 201, outcome
        await asyncio.sleep(4 * timeout)
    for i in range(2, 7):
        await submits(client, f"i-{i}")
        await asyncio.sleep(timeout)


async def retries(client):
    for i in range(2):
        await submits(client, f"q-{i}")


async def together(client):
    await asyncio.gather(*(submits(client, f"t-{i}") for i in range(6)))


async def restart(client):
    for i in range(300):
        if i == 100:
            print("restart", flush=True)
        await submits(client, f"a-{i}")


async def run(make):
    base, *scenarios = sys.argv[1:]
    client = make(base, os.environ.get("TOKEN"), os.environ.get("CA"))
    for name in scenarios:
        await globals()[name](client)
        print("ok", name, flush=True)
    await client.close()


def main(make):
    asyncio.run(run(make))
