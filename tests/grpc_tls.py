"""A Python client of the gRPC port in TLS.

    grpc_tls.py HOST:PORT PROTO_DIR CA [CERT KEY]

Submits orders, alone and in a stream, and reads one; leaves with an error at the first thing
that is not as it should be. Needs grpcio and grpcio-tools.
"""

import sys

import grpc
from grpc_client import stubs

PATIENCE = 30


def read(path):
    with open(path, "rb") as file:
        return file.read()


def main(address, proto_dir, ca, *identity):
    pb, pb_grpc = stubs(proto_dir)
    cert, key = map(read, identity) if identity else (None, None)
    credentials = grpc.ssl_channel_credentials(read(ca), key, cert)
    with grpc.secure_channel(address, credentials) as channel:
        stub = pb_grpc.OrderServiceStub(channel)

        def request(id):
            return pb.SubmitRequest(order=pb.Order(id=id, value="1", attributes_json="{}"))

        reply = stub.Submit(request("tls-1"), timeout=PATIENCE)
        assert reply.status == pb.ORDER_STATUS_PROCESSED, reply
        known = stub.GetOrder(pb.GetOrderRequest(id="tls-1"), timeout=PATIENCE).record
        assert known.seq == reply.seq, known


main(*sys.argv[1:])
