"""A Python client of the gRPC port, from the committed .proto to a restart of the server.

    grpc_client.py HOST:PORT PROTO_DIR

Prints "drain" when the server is to be drained and started again on the same port and
directory, and "done" at the end; leaves with an error at the first thing that is not as it
should be. Needs grpcio, grpcio-tools, grpcio-status, grpcio-health-checking and
grpcio-reflection.
"""

import importlib
import queue
import sys
import tempfile
import threading

import grpc
from google.protobuf import descriptor_pool, message_factory
from google.rpc import error_details_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)
from grpc_status import rpc_status
from grpc_tools import protoc

ORDERS = 4000
DRAIN_AT = 1000
# Orders that are sent after the drain only.
LAST = 100
PATIENCE = 60


def stubs(proto_dir):
    out = tempfile.mkdtemp(prefix="orders-stubs-")
    includes = importlib.import_module("grpc_tools").__path__[0] + "/_proto"
    args = ["protoc", f"-I{proto_dir}", f"-I{includes}", f"--python_out={out}"]
    assert protoc.main([*args, f"--grpc_python_out={out}", "order.proto"]) == 0
    sys.path.insert(0, out)
    return importlib.import_module("order_pb2"), importlib.import_module("order_pb2_grpc")


def refused(call, code):
    """The ErrorInfo of a call that must fail with this code, and its other details by type."""
    try:
        call()
    except grpc.RpcError as error:
        assert error.code() == code, error
        return details(error)
    raise AssertionError(f"expected {code}")


def details(error):
    found = {}
    for any_detail in rpc_status.from_call(error).details:
        name = any_detail.TypeName().rsplit(".", 1)[1]
        found[name] = getattr(error_details_pb2, name)()
        assert any_detail.Unpack(found[name])
    assert found["ErrorInfo"].domain == "orders.v1", found
    return found


def calls(pb, stub):
    order = pb.Order(id="py-1", value="100.50", attributes_json='{"side": "buy"}')
    first = stub.Submit(pb.SubmitRequest(order=order), timeout=PATIENCE)
    assert (first.status, first.seq, first.duplicate) == (pb.ORDER_STATUS_PROCESSED, 1, False)
    order.value = "1.005e2"
    again = stub.Submit(pb.SubmitRequest(order=order), timeout=PATIENCE)
    assert (again.seq, again.duplicate) == (1, True), again
    order.value = "7"
    conflict = refused(
        lambda: stub.Submit(pb.SubmitRequest(order=order)), grpc.StatusCode.ALREADY_EXISTS
    )
    assert conflict["ErrorInfo"].reason == "ID_CONFLICT"
    order.id = "no id"
    invalid = refused(
        lambda: stub.Submit(pb.SubmitRequest(order=order)), grpc.StatusCode.INVALID_ARGUMENT
    )
    assert [v.field for v in invalid["BadRequest"].field_violations] == ["order.id"]
    known = stub.GetOrder(pb.GetOrderRequest(id="py-1"), timeout=PATIENCE).record
    assert (known.seq, known.order.value) == (1, "100.50"), known
    assert known.order.attributes_json == '{"side":"buy"}'
    unknown = refused(
        lambda: stub.GetOrder(pb.GetOrderRequest(id="nobody")), grpc.StatusCode.NOT_FOUND
    )
    assert unknown["ErrorInfo"].reason == "UNKNOWN_ORDER"
    queued = pb.SubmitRequest(
        order=pb.Order(id="py-2", value="1"), ack_mode=pb.ACK_MODE_QUEUED
    )
    assert stub.Submit(queued, timeout=PATIENCE).id == "py-2"


def generic(channel):
    """Submits with nothing but what reflection says."""
    database = ProtoReflectionDescriptorDatabase(channel)
    assert "orders.v1.OrderService" in database.get_services()
    pool = descriptor_pool.DescriptorPool(database)
    method = pool.FindServiceByName("orders.v1.OrderService").FindMethodByName("Submit")
    request_type = message_factory.GetMessageClass(method.input_type)
    response_type = message_factory.GetMessageClass(method.output_type)
    request = request_type()
    request.order.id = "py-3"
    request.order.value = "1"
    submit = channel.unary_unary(
        "/orders.v1.OrderService/Submit",
        request_serializer=request_type.SerializeToString,
        response_deserializer=response_type.FromString,
    )
    assert submit(request, timeout=PATIENCE).id == "py-3"


class Follower(threading.Thread):
    """Follows from the last sequence seen, over any number of restarts."""

    def __init__(self, pb, stub, until):
        super().__init__(daemon=True)
        self.pb, self.stub, self.until = pb, stub, until
        self.seen = []
        self.breaks = 0
        self.ledger_id = ""
        self.error = None

    def run(self):
        try:
            while len(self.seen) < self.until:
                self.follow()
        except BaseException as error:  # told by whoever joins
            self.error = error

    def follow(self):
        request = self.pb.FollowRequest(after=len(self.seen), ledger_id=self.ledger_id)
        outcomes = self.stub.Follow(request, wait_for_ready=True)
        try:
            metadata = dict(outcomes.initial_metadata())
            self.ledger_id = metadata.get("orders-ledger-id", self.ledger_id)
            for outcome in outcomes:
                assert outcome.record.seq == len(self.seen) + 1, outcome
                self.seen.append(outcome.record.order.id)
                if len(self.seen) == self.until:
                    outcomes.cancel()
                    return
            raise AssertionError("a follow never ends with OK")
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error
            self.breaks += 1


def submit_all(pb, stub, ids):
    """Submits over streams; what has no response when one breaks goes into the next."""
    unanswered = dict.fromkeys(ids)
    results, breaks, told = {}, 0, False
    ended = threading.Event()

    def requests(sending):
        for number, id in enumerate(sending):
            if number == ORDERS - LAST:
                ended.wait()  # so that a stream is open when the drain comes, however late
            yield pb.SubmitStreamRequest(order=pb.Order(id=id, value="1"))

    while unanswered:
        sending = list(unanswered)
        try:
            for response in stub.SubmitStream(requests(sending), wait_for_ready=True):
                assert response.id == sending[response.index - 1], response
                if response.result == pb.SUBMIT_RESULT_REJECTED:
                    assert response.retry_safe, response
                    continue
                del unanswered[response.id]
                results[response.id] = response
                if len(results) >= DRAIN_AT and not told:
                    told = True
                    print("drain", flush=True)
        except grpc.RpcError as error:
            assert error.code() == grpc.StatusCode.UNAVAILABLE, error
            breaks += 1
        finally:
            ended.set()
    return results, breaks


def watch_health(channel, statuses):
    watch = health_pb2_grpc.HealthStub(channel).Watch(
        health_pb2.HealthCheckRequest(service="orders.v1.OrderService"), wait_for_ready=True
    )
    try:
        for reply in watch:
            statuses.put(reply.status)
    except grpc.RpcError:
        statuses.put(None)


def main(address, proto_dir):
    pb, pb_grpc = stubs(proto_dir)
    # A client that means to survive a restart tries again soon.
    options = [("grpc.max_reconnect_backoff_ms", 500)]
    channel = grpc.insecure_channel(address, options)
    stub = pb_grpc.OrderServiceStub(channel)
    health = health_pb2_grpc.HealthStub(channel)
    serving = health_pb2.HealthCheckResponse.SERVING
    request = health_pb2.HealthCheckRequest()
    assert health.Check(request, wait_for_ready=True, timeout=PATIENCE).status == serving

    calls(pb, stub)
    generic(channel)

    statuses = queue.Queue()
    threading.Thread(target=watch_health, args=(channel, statuses), daemon=True).start()
    assert statuses.get(timeout=PATIENCE) == serving
    ids = [f"stream-{number}" for number in range(ORDERS)]
    follower = Follower(pb, stub, until=ORDERS + 3)
    follower.start()
    results, breaks = submit_all(pb, stub, ids)
    follower.join(timeout=PATIENCE)
    if follower.error:
        raise follower.error
    assert not follower.is_alive(), f"{len(follower.seen)} outcomes only"

    assert breaks >= 1 and follower.breaks >= 1, "nothing was interrupted"
    assert statuses.get(timeout=PATIENCE) == health_pb2.HealthCheckResponse.NOT_SERVING
    assert sorted(follower.seen) == sorted([*ids, "py-1", "py-2", "py-3"])
    for id, response in results.items():
        # As the client was told, so it stands in the feed, and nowhere else.
        assert follower.seen[response.seq - 1] == id, response
    print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
