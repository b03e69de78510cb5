#!/usr/bin/env python3
"""Submits orders from many clients at once: flood.py HOST:PORT CLIENTS ORDERS PREFIX

Each client keeps one connection and sends ORDERS orders, whatever it is told.
Prints one JSON object: the replies by status, the ids that were accepted, and what
was wrong with replies, which should be nothing.
"""

import http.client
import json
import sys
import threading


def client(address, me, orders, prefix, found):
    connection = http.client.HTTPConnection(address, timeout=60)
    for number in range(orders):
        order_id = f"{prefix}-{me}-{number}"
        body = json.dumps({"id": order_id, "value": "12.50"})
        connection.request("POST", "/submit", body, {"Content-Type": "application/json"})
        reply = connection.getresponse()
        found.append((order_id, reply.status, reply.getheader("Retry-After"), reply.read()))
    connection.close()


def wrong_with(status, retry_after, body):
    """What is wrong with a reply, or None."""
    said = json.loads(body)
    if status == 202:
        return None if said["status"] == "queued" else "202 without queued"
    if said["status"] != status or said["type"] != "/problems/queue-full":
        return f"{status} with {said}"
    if said["retry_safe"] is not True:
        return "a full queue and not retry_safe"
    if not (retry_after.isdigit() and 1 <= int(retry_after) <= 60):
        return f"Retry-After: {retry_after}"
    return None


def main():
    address, clients, orders, prefix = sys.argv[1:]
    found = []
    threads = [
        threading.Thread(target=client, args=(address, me, int(orders), prefix, found))
        for me in range(int(clients))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(found) != int(clients) * int(orders):
        sys.exit("a client gave up")
    statuses = {}
    for _, status, _, _ in found:
        statuses[str(status)] = statuses.get(str(status), 0) + 1
    wrong = [wrong_with(*reply[1:]) for reply in found]
    json.dump(
        {
            "statuses": statuses,
            "accepted": [order_id for order_id, status, _, _ in found if status == 202],
            "wrong": sorted({what for what in wrong if what}),
        },
        sys.stdout,
    )


main()
