"""Streams of small orders on one grpcio channel, to a processor that takes minutes.

    grpc_held_back.py HOST:PORT PROTO_DIR STREAMS ORDERS

Sends ORDERS on each of the streams, for as long as the channel takes them, until as many are
inside as the server takes of all streams; then single calls on the same channel must be served,
and no stream may have ended.
"""

import sys
import threading
import time

import grpc
from grpc_client import stubs

# What the server takes of one stream (STREAM_ORDERS_MAX).
HELD = 1024
PATIENCE = 60


def main(address, proto_dir, streams, orders):
    pb, pb_grpc = stubs(proto_dir)
    channel = grpc.insecure_channel(address)
    service = pb_grpc.OrderServiceStub(channel)
    done = threading.Event()
    sent = [0] * int(streams)

    def requests(me):
        for number in range(int(orders)):
            sent[me] += 1
            order = pb.Order(id=f"h-{me}-{number}", value="1")
            yield pb.SubmitStreamRequest(order=order)
        done.wait()  # so that the stream stays open

    calls = [service.SubmitStream(requests(me)) for me in range(int(streams))]

    def is_taken(order_id):
        try:
            status = service.GetOrder(pb.GetOrderRequest(id=order_id), timeout=PATIENCE).status
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.NOT_FOUND, error
            return False
        return status == pb.ORDER_STATUS_QUEUED

    deadline = time.monotonic() + PATIENCE
    last = [f"h-{me}-{HELD - 1}" for me in range(int(streams))]
    while not all(map(is_taken, last)):
        assert time.monotonic() < deadline, "the streams are not taken"
    # What is sent behind those stays where it is, and harms nobody, until flow control holds the
    # channel back.
    before = None
    while sent != before:
        before = list(sent)
        for me in range(int(streams)):
            assert not is_taken(f"h-{me}-{HELD}")
    assert max(sent) < int(orders), "nothing was held back"
    assert all(call.is_active() for call in calls), "a stream has ended"
    done.set()
    for call in calls:
        call.cancel()
    print("held back")


if __name__ == "__main__":
    main(*sys.argv[1:])
