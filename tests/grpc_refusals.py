"""What the gRPC port refuses with a status of its own, frame by frame: requests that are no gRPC
calls, messages that are none of their type, and calls whose deadline passes.

    grpc_refusals.py HOST:PORT

The server's processor must take minutes. Every refusal has an ErrorInfo, and the connection lives
on. Prints how many of the refused were orders: the server counts them as invalid.
"""

import base64
import sys

from google.rpc import error_details_pb2, status_pb2
from http2_conformance import END_STREAM, PSEUDO, Connection, block, data, headers, message

SUBMIT = "/orders.v1.OrderService/Submit"
STREAM = "/orders.v1.OrderService/SubmitStream"
FOLLOW = "/orders.v1.OrderService/Follow"
GRPC = ("content-type", "application/grpc")
TE = ("te", "trailers")
OK, INVALID_ARGUMENT, DEADLINE_EXCEEDED, UNIMPLEMENTED, INTERNAL = 0, 3, 4, 12, 13
EMPTY = b"\0\0\0\0\0"
# A field of a length that there isn't.
BROKEN = b"\0\0\0\0\2\x0a\x7f"


def pseudo(method="POST", path=SUBMIT):
    return [(":method", method), PSEUDO[1], (":path", path)]


def call(path=SUBMIT, more=(), method="POST", plain=(GRPC, TE)):
    return block(*more, pseudo=pseudo(method, path), plain=list(plain))


ORDER = message("never")
# Name, header block, body, HTTP status, gRPC status, reason, whether it counts as an order.
CASES = [
    ("GET", call(method="GET"), ORDER, "405", INTERNAL, "BAD_METHOD", True),
    ("PUT", call(method="PUT"), ORDER, "405", INTERNAL, "BAD_METHOD", True),
    ("no content type", call(plain=[TE]), ORDER, "415", INVALID_ARGUMENT, "BAD_CONTENT_TYPE", True),
    ("text/plain", call(plain=[("content-type", "text/plain"), TE]), ORDER, "415",
     INVALID_ARGUMENT, "BAD_CONTENT_TYPE", True),
    ("gRPC-Web", call(plain=[("content-type", "application/grpc-web"), TE]), ORDER, "415",
     INVALID_ARGUMENT, "BAD_CONTENT_TYPE", True),
    ("a timeout that is none", call(more=[("grpc-timeout", "soon")]), ORDER, "200",
     INVALID_ARGUMENT, "INVALID_REQUEST", True),
    ("no message", call(), b"", "200", INTERNAL, "BAD_MESSAGE", True),
    ("a message that is none", call(), BROKEN, "200", INTERNAL, "BAD_MESSAGE", True),
    ("two messages", call(), ORDER + ORDER, "200", INTERNAL, "BAD_MESSAGE", True),
    ("two empty messages", call(), EMPTY + EMPTY, "200", INTERNAL, "BAD_MESSAGE", True),
    ("a flag that says compressed", call(), b"\1" + ORDER[1:], "200", INTERNAL, "BAD_MESSAGE", True),
    ("a compression", call(more=[("grpc-encoding", "gzip")]), b"\1" + ORDER[1:], "200",
     UNIMPLEMENTED, "UNIMPLEMENTED", True),
    ("two messages to Follow", call(FOLLOW), EMPTY + EMPTY, "200", INTERNAL, "BAD_MESSAGE", False),
    ("none of its type to a stream", call(STREAM), BROKEN, "200", INTERNAL, "BAD_MESSAGE", True),
    ("no such method", call("/orders.v1.OrderService/Sell"), EMPTY, "200", UNIMPLEMENTED,
     "UNIMPLEMENTED", False),
    ("no such service", call("/orders.v2.OrderService/Submit"), EMPTY, "200", UNIMPLEMENTED,
     "UNIMPLEMENTED", False),
    # The order is taken, and waits for its outcome longer than the call does.
    ("a deadline", call(more=[("grpc-timeout", "50m")]), message("waits"), "200",
     DEADLINE_EXCEEDED, "DEADLINE_PASSED", False),
    ("a deadline of a stream", call(STREAM, [("grpc-timeout", "50m")]), message("waits"), "200",
     DEADLINE_EXCEEDED, "DEADLINE_PASSED", False),
    ("a deadline of a follower", call(FOLLOW, [("grpc-timeout", "50000u")]), EMPTY, "200",
     DEADLINE_EXCEEDED, "DEADLINE_PASSED", False),
]


def error_info(said):
    encoded = said["grpc-status-details-bin"]
    status = status_pb2.Status.FromString(base64.b64decode(encoded + "=" * (-len(encoded) % 4)))
    assert status.code == int(said["grpc-status"]), status
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in status.details), status
    assert info.domain == "orders.v1" and info.metadata["retry_safe"] in ("true", "false"), info
    return info


def main(address):
    host, port = address.rsplit(":", 1)
    connection = Connection((host, int(port)))
    counted = 0
    for number, (name, fields, octets, http, code, reason, counts) in enumerate(CASES):
        stream = 2 * number + 1
        connection.send(headers(stream, fields) + data(stream, octets, END_STREAM))
        status = lambda: connection.said.get(stream, {}).get("grpc-status")
        try:
            found = connection.until(status, "an answer")
            said = connection.said[stream]
            assert (said[":status"], int(found)) == (http, code), said
            assert error_info(said).reason == reason, said
            assert said["content-type"].startswith("application/grpc"), said
            assert (said.get("allow") == "POST") == (http == "405"), said
        except (AssertionError, KeyError) as error:
            sys.exit(f"{name}: {error!r}")
        counted += counts
    assert connection.goaway is None
    print(counted)


if __name__ == "__main__":
    main(*sys.argv[1:])
