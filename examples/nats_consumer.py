#!/usr/bin/env python3
"""Reads outcomes from the stream of `--ledger nats://...`, and goes on where it
was after any end, `kill -9` included.

The consumer is durable: the server remembers what was acknowledged. A message is
acknowledged once it is handled, so one that was being handled when this process
ended comes again: handle it by its id or sequence, once.

    pip install nats-py
    python3 examples/nats_consumer.py nats://127.0.0.1:4222 billing
"""

import asyncio
import sys

import nats
from nats.errors import TimeoutError as NothingNew
from nats.js.api import ConsumerConfig


async def main(server, name):
    connection = await nats.connect(server)
    stream = connection.jetstream()
    # A message that is not acknowledged within ack_wait seconds comes again.
    config = ConsumerConfig(ack_wait=5)
    consumer = await stream.pull_subscribe("orders.*", durable=name, stream="ORDERS", config=config)
    while True:
        try:
            messages = await consumer.fetch(10, timeout=5)
        except NothingNew:
            continue
        for message in messages:
            order_id = message.subject.removeprefix("orders.")
            sequence = message.metadata.sequence.stream
            status = message.headers["Orders-Status"]
            # Handle it here. A line on standard output is all that this one does.
            print(sequence, order_id, status, message.data.decode(), flush=True)
            await message.ack()


if __name__ == "__main__":
    arguments = sys.argv[1:] + ["nats://127.0.0.1:4222", "example"][len(sys.argv) - 1 :]
    asyncio.run(main(*arguments))
