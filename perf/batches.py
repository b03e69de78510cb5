"""NDJSON batches: as they go over the wire, and a connection that sends them."""

import socket

import service


def request(orders, name):
    """A batch as it goes over the wire."""
    lines = "".join(
        f'{{"id":"{name}-{number}","value":{number % 1000 + 1}.25,"side":"buy"}}\n' for number in range(orders)
    )
    head = (
        # A server that acknowledges queued orders waits for these all the same.
        "POST /submit HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-ndjson\r\nPrefer: wait=30\r\n"
        f"Content-Length: {len(lines)}\r\n\r\n"
    )
    return (head + lines).encode()


class Client:
    """A connection that sends its batches one after the other."""

    def __init__(self, address, requests):
        self.socket = socket.create_connection(address)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.requests = requests
        self.replies = []
        self.space = memoryview(bytearray(len(max(requests, key=len)) * 3 + 65536))

    def run(self):
        for one in self.requests:
            self.replies.append(self.exchange(one))

    def exchange(self, one):
        self.socket.sendall(one)
        have, end = 0, None
        while end is None or have < end:
            got = self.socket.recv_into(self.space[have:])
            if not got:
                raise service.Trouble("the connection ended within a reply")
            have += got
            if end is None:
                head, found, _ = bytes(self.space[: min(have, 4096)]).partition(b"\r\n\r\n")
                if found:
                    end = len(head) + 4 + int(head.lower().partition(b"content-length: ")[2].split(b"\r")[0])
        return bytes(self.space[:end])

    def check(self, orders):
        if len(self.replies) != len(self.requests):
            raise service.Trouble("a connection did not get all its replies")
        for reply in self.replies:
            processed = reply.count(b'"status":"processed"')
            if processed != orders:
                raise service.Trouble(f"{processed} of {orders} lines were processed: {reply[:300]}")
        self.socket.close()
