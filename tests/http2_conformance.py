"""What the gRPC port does with HTTP/2 that breaks the rules, frame by frame.

    http2_conformance.py HOST:PORT PID [floods]

PID is the server's, whose memory is looked at. The server must be started with a
--head-timeout and --grpc-keepalive-interval of a few seconds at most; for the floods, whose
clients answer no PING while they send, with an interval of minutes. Each case is named by the
section of RFC 9113 that it breaks (or keeps), or by the attack it is known as. After each, an
order must be taken: on the same connection where that has to live on, else on another one.
Prints a line for each case that is not as it should be, and leaves with an error then.

Frames are put together here, byte by byte, since no library sends what is wrong. Needs hpack.
"""

import resource
import socket
import struct
import sys
import time

import hpack

PATIENCE = 60
# By how much the server's memory may grow over all cases: 64 MiB. Each flood would fill more if
# it were kept.
GROWTH_MAX = 64 << 20

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE = range(6)
PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(6, 10)
END_STREAM = ACK = 0x1
END_HEADERS, PADDED = 0x4, 0x8
# Error codes, section 7.
PROTOCOL, INTERNAL, FLOW_CONTROL, SETTINGS_TIMEOUT, STREAM_CLOSED, FRAME_SIZE = range(1, 7)
REFUSED, CANCEL, COMPRESSION = range(7, 10)
CALM = 11
# Settings, section 6.5.2.
ENABLE_PUSH, CONCURRENT_STREAMS, INITIAL_WINDOW, FRAME_MAX = range(2, 6)


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(*pairs, flags=0, stream=0):
    payload = b"".join(struct.pack(">HI", *pair) for pair in pairs)
    return frame(SETTINGS, flags, stream, payload)


def window_update(stream, by):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", by))


def data(stream, payload, flags=0):
    return frame(DATA, flags, stream, payload)


def field(name, value):
    """A literal field that leaves the dynamic table alone (RFC 7541 section 6.2.2)."""
    name, value = name.encode(), value.encode()
    assert len(name) < 127 and len(value) < 127
    return b"\0" + bytes([len(name)]) + name + bytes([len(value)]) + value


PSEUDO = [(":method", "POST"), (":scheme", "http"), (":path", "/orders.v1.OrderService/Submit")]
PLAIN = [("content-type", "application/grpc"), ("te", "trailers")]


def block(*more, pseudo=PSEUDO, plain=PLAIN):
    return b"".join(field(*pair) for pair in [*pseudo, (":authority", "a"), *plain, *more])


def headers(stream, fields=None, flags=END_HEADERS):
    return frame(HEADERS, flags, stream, block() if fields is None else fields)


def message(order_id):
    """SubmitRequest { order: { id, value: "1" } } behind its five bytes."""
    name = order_id.encode()
    order = b"\x0a" + bytes([len(name)]) + name + b"\x12\x011"
    request = b"\x0a" + bytes([len(order)]) + order
    return b"\0" + struct.pack(">I", len(request)) + request


class Connection:
    """One connection, which answers SETTINGS and PING unless told otherwise."""

    def __init__(self, address, first=PREFACE + settings(), polite=True):
        self.socket = socket.create_connection(address, PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.deadline = time.monotonic() + PATIENCE
        self.polite = polite
        self.left = bytearray()
        self.at = 0
        self.headers = hpack.Decoder()
        self.goaway = None
        self.resets = {}
        self.pongs = []
        self.acks = 0
        self.limits = {}
        # By stream: what its header lists said.
        self.said = {}
        self.send(first)

    def send(self, octets):
        """Sends what the server takes; it may have closed."""
        try:
            self.socket.sendall(octets)
        except (BrokenPipeError, ConnectionResetError):
            pass

    def next(self):
        """Takes the next frame in; False at the end of the connection."""
        while True:
            head = self.left[self.at : self.at + 9]
            end = self.at + 9 + int.from_bytes(head[:3], "big")
            if len(head) == 9 and len(self.left) >= end:
                break
            del self.left[: self.at]
            self.at = 0
            if time.monotonic() > self.deadline:
                raise TimeoutError
            try:
                more = self.socket.recv(1 << 16)
            except ConnectionResetError:
                more = b""
            if not more:
                return False
            self.left += more
        payload = bytes(self.left[self.at + 9 : end])
        self.at = end
        self.take(*struct.unpack(">BBI", head[3:]), payload)
        return True

    def take(self, kind, flags, stream, payload):
        if kind == SETTINGS and flags & ACK:
            self.acks += 1
        elif kind == SETTINGS:
            self.limits = dict(struct.iter_unpack(">HI", payload))
            if self.polite:
                self.send(settings(flags=ACK))
        elif kind == PING and flags & ACK:
            self.pongs.append(payload)
        elif kind == PING and self.polite:
            self.send(frame(PING, ACK, 0, payload))
        elif kind == GOAWAY:
            self.goaway = struct.unpack(">II", payload[:8])[1]
        elif kind == RST_STREAM:
            self.resets[stream] = struct.unpack(">I", payload)[0]
        elif kind == HEADERS:
            assert flags & END_HEADERS, "the server's own lists are short"
            fields = self.headers.decode(payload, raw=False)
            self.said.setdefault(stream, {}).update(fields)

    def until(self, look, what):
        while (found := look()) is None:
            assert self.next(), f"it was closed (GOAWAY {self.goaway}) before {what}"
        return found

    def submit(self, stream, order_id):
        self.send(headers(stream) + data(stream, message(order_id), END_STREAM))
        look = lambda: self.said.get(stream, {}).get("grpc-status")
        status = self.until(look, "an order was answered")
        assert status == "0", f"an order got {self.said[stream]}"

    def end(self):
        """Reads to the end of the connection."""
        self.deadline = time.monotonic() + PATIENCE
        while self.next():
            pass


class Dies:
    """The connection ends with one of these codes, or the general one, which `h2` likes better
    than some that the RFC names."""

    def __init__(self, *codes):
        self.codes = [PROTOCOL, *codes]

    def holds(self, connection):
        connection.end()
        assert connection.goaway in self.codes, f"GOAWAY {connection.goaway}, not {self.codes}"


class Closes:
    """The connection ends, in whatever way."""

    def holds(self, connection):
        connection.end()


class Ends:
    """Stream 1 ends with one of these codes, or the whole connection."""

    def __init__(self, *codes):
        self.codes = codes

    def holds(self, connection):
        while not connection.resets and connection.next():
            pass
        code = connection.resets.get(1, connection.goaway)
        assert code in self.codes, f"{code}, not {self.codes}"


class Resets:
    """Stream 1 ends with one of these codes, and the connection lives on."""

    def __init__(self, *codes):
        self.codes = codes

    def holds(self, connection):
        code = connection.until(lambda: connection.resets.get(1), "RST_STREAM")
        assert code in self.codes, f"RST_STREAM {code}, not {self.codes}"
        lives(connection)


def lives(connection):
    """Nothing happens that anybody need know of."""
    connection.submit(101, f"lives-{time.monotonic_ns()}")
    assert connection.goaway is None, f"GOAWAY {connection.goaway}"


class Lives:
    def holds(self, connection):
        lives(connection)
        assert not connection.resets, f"RST_STREAM {connection.resets}"


def without(name):
    return block(pseudo=[pair for pair in PSEUDO if pair[0] != name])


ONE = headers(1)
WHOLE = ONE + data(1, message("twice"), END_STREAM)
CASES = [
    ("4.1 a frame of an unknown type", frame(0x5A, 0, 0, b"x") + frame(0x5A, 0, 1, b"x"), Lives()),
    ("4.1 flags that mean nothing", frame(PING, 0xFE, 0, b"12345678"), Lives()),
    ("4.1 the reserved bit", frame(PING, 0, 1 << 31, b"12345678"), Lives()),
    ("4.2 DATA over SETTINGS_MAX_FRAME_SIZE", ONE + data(1, b"x" * 16385), Dies(FRAME_SIZE)),
    ("4.2 HEADERS over it", headers(1, b"x" * 16385), Dies(FRAME_SIZE)),
    ("4.2 SETTINGS over it", frame(SETTINGS, 0, 0, b"\0" * 16386), Dies(FRAME_SIZE)),
    ("4.3 an index that there isn't", headers(1, b"\xff\xff\xff\x7f"), Dies(COMPRESSION)),
    ("4.3 a table size over the limit", headers(1, b"\x3f\xff\xff\x7f"), Dies(COMPRESSION)),
    ("4.3 an unfinished block", headers(1, b"\0\x05ab"), Dies(COMPRESSION)),
    ("4.3 PING inside a header block", headers(1, flags=0) + frame(PING, 0, 0, b"12345678"),
     Dies()),
    ("4.3 HEADERS inside a header block", headers(1, flags=0) + headers(3), Dies()),
    ("5.1 DATA on an idle stream", data(1, b"x"), Dies()),
    ("5.1 RST_STREAM on an idle stream", frame(RST_STREAM, 0, 1, b"\0\0\0\x08"), Dies()),
    ("5.1 WINDOW_UPDATE on an idle stream", window_update(1, 1), Dies()),
    ("5.1 DATA behind the end of a stream", WHOLE + data(1, b"x"), Ends(STREAM_CLOSED, PROTOCOL)),
    ("5.1 HEADERS behind the end of a stream", WHOLE + headers(1),
     Ends(STREAM_CLOSED, PROTOCOL)),
    ("5.1 CONTINUATION behind the end of a stream",
     WHOLE + frame(CONTINUATION, END_HEADERS, 1, block()), Dies()),
    ("5.1.1 HEADERS on an even stream", headers(2), Dies()),
    ("5.1.1 a stream that is lower than the last", headers(5) + headers(3),
     Dies(STREAM_CLOSED)),
    ("5.5 a setting that nobody knows", settings((0x5A5A, 7)), Lives()),
    ("6.1 DATA on stream 0", data(0, b"x"), Dies()),
    ("6.1 padding longer than the frame", ONE + data(1, b"\x05abc", PADDED), Dies()),
    ("6.2 HEADERS on stream 0", headers(0), Dies()),
    ("6.2 padding longer than the frame",
     headers(1, b"\xff" + block(), END_HEADERS | PADDED), Dies()),
    ("6.3 PRIORITY on stream 0", frame(PRIORITY, 0, 0, b"\0\0\0\x01\0"), Dies()),
    ("6.3 PRIORITY of a wrong length", ONE + frame(PRIORITY, 0, 1, b"\0\0\0\x03"),
     Dies(FRAME_SIZE)),
    ("6.4 RST_STREAM on stream 0", frame(RST_STREAM, 0, 0, b"\0\0\0\x08"), Dies()),
    ("6.4 RST_STREAM of a wrong length", ONE + frame(RST_STREAM, 0, 1, b"\0\0\x08"),
     Dies(FRAME_SIZE)),
    ("6.5 SETTINGS on a stream", settings(stream=1), Dies()),
    ("6.5 an acknowledgment with a length", settings((INITIAL_WINDOW, 1), flags=ACK),
     Dies(FRAME_SIZE)),
    ("6.5 SETTINGS of a wrong length", frame(SETTINGS, 0, 0, b"\0\x03\0"), Dies(FRAME_SIZE)),
    ("6.5.2 ENABLE_PUSH of 2", settings((ENABLE_PUSH, 2)), Dies()),
    ("6.5.2 a window over 2^31-1", settings((INITIAL_WINDOW, 1 << 31)), Dies(FLOW_CONTROL)),
    ("6.5.2 a frame size that is too small", settings((FRAME_MAX, 16383)), Dies()),
    ("6.5.2 a frame size that is too large", settings((FRAME_MAX, 1 << 24)), Dies()),
    ("6.6 PUSH_PROMISE from a client",
     ONE + frame(PUSH_PROMISE, END_HEADERS, 1, b"\0\0\0\x02" + block()), Dies()),
    ("6.7 PING on a stream", frame(PING, 0, 1, b"12345678"), Dies()),
    ("6.7 PING of a wrong length", frame(PING, 0, 0, b"1234567"), Dies(FRAME_SIZE)),
    ("6.8 GOAWAY on a stream", frame(GOAWAY, 0, 1, b"\0" * 8), Dies()),
    ("6.9 WINDOW_UPDATE by 0 on the connection", window_update(0, 0), Dies()),
    ("6.9 WINDOW_UPDATE by 0 on a stream", ONE + window_update(1, 0), Dies()),
    ("6.9 WINDOW_UPDATE of a wrong length", frame(WINDOW_UPDATE, 0, 0, b"\0\0\x01"),
     Dies(FRAME_SIZE)),
    ("6.9.1 a window over 2^31-1 by an update", window_update(0, (1 << 31) - 1),
     Dies(FLOW_CONTROL)),
    ("6.9.1 a stream's window over it", ONE + window_update(1, (1 << 31) - 1),
     Resets(FLOW_CONTROL)),
    ("6.9.2 a stream's window over it by a setting",
     ONE + window_update(1, (1 << 31) - 1 - 65535) + settings((INITIAL_WINDOW, 65536)),
     Dies(FLOW_CONTROL)),
    ("6.10 CONTINUATION without HEADERS", frame(CONTINUATION, END_HEADERS, 1, block()),
     Dies()),
    ("6.10 CONTINUATION on another stream",
     headers(1, flags=0) + frame(CONTINUATION, END_HEADERS, 3, b""), Dies()),
    ("6.10 CONTINUATION on stream 0",
     headers(1, flags=0) + frame(CONTINUATION, END_HEADERS, 0, b""), Dies()),
    ("8.1 trailers that don't end the stream", ONE + headers(1, field("a", "b")),
     Resets(PROTOCOL)),
    ("8.1.1 fewer bytes than content-length",
     headers(1, block(("content-length", "99"))) + data(1, b"\0\0\0", END_STREAM),
     Resets(PROTOCOL)),
    ("8.1.1 more bytes than content-length",
     headers(1, block(("content-length", "1"))) + data(1, b"\0\0\0", END_STREAM),
     Resets(PROTOCOL)),
    ("8.2.1 an upper-case name", headers(1, block(("A", "b"))), Dies()),
    ("8.2.1 a control character in a value", headers(1, block(("a", "b\r\nc: d"))),
     Dies()),
    ("8.2.2 connection", headers(1, block(("connection", "close"))), Resets(PROTOCOL)),
    ("8.2.2 transfer-encoding", headers(1, block(("transfer-encoding", "chunked"))),
     Resets(PROTOCOL)),
    ("8.2.2 te: gzip", headers(1, block(("te", "gzip"))), Resets(PROTOCOL)),
    ("8.3 a pseudo-header behind a field", headers(1, block((":method", "POST"))),
     Resets(PROTOCOL)),
    ("8.3 a pseudo-header twice", headers(1, block(pseudo=[*PSEUDO, PSEUDO[0]])),
     Resets(PROTOCOL)),
    ("8.3 a pseudo-header that there isn't",
     headers(1, block(pseudo=[*PSEUDO, (":strange", "a")])), Dies()),
    ("8.3 a response's pseudo-header", headers(1, block(pseudo=[*PSEUDO, (":status", "200")])),
     Resets(PROTOCOL)),
    ("8.3.1 no method", headers(1, without(":method")), Resets(PROTOCOL)),
    ("8.3.1 no scheme", headers(1, without(":scheme")), Resets(PROTOCOL)),
    ("8.3.1 no path", headers(1, without(":path")), Resets(PROTOCOL)),
]


def flow_control(connect):
    """6.9.1: more bytes than the window has."""
    connection = connect()
    connection.until(lambda: connection.limits or None, "SETTINGS")
    window = connection.limits[INITIAL_WINDOW]
    # Of a message that is dropped unread, no; so of one whose order waits: a stream that isn't
    # read. Bytes are returned as they are read, so it takes many more than the window.
    connection.send(headers(1, block(pseudo=[*PSEUDO[:2], (":path", REFLECTION)])))
    connection.send(settings((INITIAL_WINDOW, 0)))
    frames = (window // 16384 + 1) * 8
    connection.send(data(1, reflection() * (16384 // len(reflection()))) * frames)
    look = lambda: connection.resets.get(1, connection.goaway)
    code = connection.until(look, "it was ended")
    assert code == FLOW_CONTROL, code


REFLECTION = "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo"


def reflection():
    """ServerReflectionRequest { list_services: "" }."""
    return b"\0\0\0\0\x02\x3a\0"


def pings_are_answered(connect):
    """6.7: with the same bytes, and answers are not."""
    connection = connect()
    connection.send(frame(PING, ACK, 0, b"answered") + frame(PING, 0, 0, b"a ping  "))
    connection.until(lambda: connection.pongs or None, "PING")
    assert connection.pongs == [b"a ping  "], connection.pongs


def settings_are_acknowledged(connect):
    """6.5.3."""
    connection = connect()
    connection.send(settings((INITIAL_WINDOW, 70000)) * 2)
    connection.until(lambda: connection.acks >= 3 or None, "acknowledgment")


def too_many_streams(connect):
    """5.1.2: one stream more than SETTINGS_MAX_CONCURRENT_STREAMS."""
    connection = connect()
    connection.until(lambda: connection.limits or None, "SETTINGS")
    streams = connection.limits[CONCURRENT_STREAMS]
    connection.send(b"".join(headers(2 * number + 1) for number in range(streams + 1)))
    last = 2 * streams + 1
    code = connection.until(lambda: connection.resets.get(last), "RST_STREAM")
    assert code in (REFUSED, PROTOCOL), code
    # One that is given back is there for the next.
    connection.send(frame(RST_STREAM, 0, 1, struct.pack(">I", CANCEL)))
    connection.submit(last + 2, "a-place")


def a_padded_order(connect):
    """6.1: padding is no part of a message."""
    connection = connect()
    octets = message("padded")
    padded = b"".join(
        data(1, b"\x03" + octets[at : at + 1] + b"xyz", PADDED) for at in range(len(octets))
    )
    connection.send(headers(1) + padded + data(1, b"", END_STREAM))
    status = connection.until(lambda: connection.said.get(1, {}).get("grpc-status"), "an answer")
    assert status == "0", connection.said


def flood(octets, times, codes, polite=True):
    """The same again and again: ended with one of the codes, or borne (None)."""

    def run(connect):
        connection = connect(polite=polite)
        connection.socket.settimeout(1)
        sent = 0
        try:
            for number in range(times):
                connection.socket.sendall(octets(number))
                sent += 1
        except (BrokenPipeError, ConnectionResetError, TimeoutError):
            pass  # ended, or held back: it reads no more
        connection.socket.settimeout(PATIENCE)
        connection.deadline = time.monotonic() + PATIENCE
        if None not in codes:
            connection.end()
        elif sent == times:
            connection.send(frame(PING, 0, 0, b"the last"))
            look = lambda: connection.goaway or (connection.pongs[-1:] == [b"the last"] or None)
            connection.until(look, "the end of it")
        goaway = connection.goaway
        # A connection that is closed while the flood goes on may be reset, and GOAWAY lost.
        assert goaway in codes or goaway is None and sent < times, f"GOAWAY {goaway}, {sent} sent"

    return run


def rapid_reset(number):
    """Orders that are taken back at once, a hundred at a time."""
    streams = range(200 * number + 1, 200 * number + 201, 2)
    reset = struct.pack(">I", CANCEL)
    return b"".join(
        headers(stream)
        + data(stream, message(f"rapid-{stream}"), END_STREAM)
        + frame(RST_STREAM, 0, stream, reset)
        for stream in streams
    )


def made_you_reset(number):
    """Streams that the server has to reset."""
    streams = range(200 * number + 1, 200 * number + 201, 2)
    return b"".join(headers(stream) + window_update(stream, (1 << 31) - 1) for stream in streams)


def continuations(number):
    return headers(1, flags=0) if number == 0 else frame(CONTINUATION, 0, 1, b"\0\x01a\x01b" * 2000)


def empty_continuations(number):
    return headers(1, flags=0) if number == 0 else frame(CONTINUATION, 0, 1) * 1000


def small_data(number):
    """A call that ends at its second message, in frames of one byte."""
    return headers(1) if number == 0 else data(1, b"\0") * 1000


def bomb(number):
    """A field of 4,000 bytes that is named again and again by one (RFC 7541 section 2.3.2)."""
    value = b"x" * 4000
    entry = b"\x40\x01a\x7f" + bytes([0x80 | (len(value) - 127) & 0x7F, (len(value) - 127) >> 7])
    stream = 2 * number + 1
    return headers(stream, block() + entry + value + b"\xbe" * 10000, END_HEADERS | END_STREAM)


FLOODS = [
    ("CVE-2024-27316 CONTINUATION without an end", flood(continuations, 5000, [CALM, COMPRESSION])),
    ("CVE-2019-9518 empty CONTINUATION without an end", flood(empty_continuations, 5000, [CALM])),
    ("CVE-2023-44487 rapid reset", flood(rapid_reset, 500, [CALM])),
    ("CVE-2025-8671 made you reset", flood(made_you_reset, 500, [CALM])),
    ("CVE-2019-9512 PING", flood(lambda _: frame(PING, 0, 0, b"12345678") * 1000, 500, [None, CALM])),
    ("answers to PING that nobody sent",
     flood(lambda _: frame(PING, ACK, 0, b"12345678") * 1000, 100, [None, CALM])),
    ("CVE-2019-9515 SETTINGS", flood(lambda _: settings() * 1000, 200, [None, CALM])),
    # Ignored, once the call has ended; for so long, then each frame is a violation.
    ("CVE-2019-9518 small DATA", flood(small_data, 2000, [None, CALM])),
    ("WINDOW_UPDATE", flood(lambda _: window_update(0, 1) * 1000, 200, [None, CALM])),
    ("PRIORITY", flood(lambda _: frame(PRIORITY, 0, 1, b"\0\0\0\x03\0") * 1000, 200, [None, CALM])),
    ("CVE-2016-6581 a header list from few bytes", flood(bomb, 100, [CALM, COMPRESSION])),
]


# Connections that stop, answer no PING, and must be closed in time.
STALLED = [
    ("3.4 no preface", b""),
    ("3.4 half a preface", PREFACE[:12]),
    ("3.4 no SETTINGS behind the preface", PREFACE),
    ("half open, idle", PREFACE + settings()),
    ("half open, in a frame", PREFACE + settings() + headers(1) + data(1, b"x" * 100)[:50]),
    ("half open, in a header block", PREFACE + settings() + headers(1, flags=0)),
]

PREFACES = [
    ("3.4 a preface that is none", b"PRI * HTTP/2.0\r\n\r\nXX\r\n\r\n" + settings(), Closes()),
    ("3.4 HTTP/1.1", b"POST / HTTP/1.1\r\nHost: a\r\n\r\n", Closes()),
    ("3.4 PING before SETTINGS", PREFACE + frame(PING, 0, 0, b"12345678"), Dies()),
    ("3.4 HEADERS before SETTINGS", PREFACE + WHOLE, Dies()),
    ("3.4 an acknowledgment as the first SETTINGS", PREFACE + settings(flags=ACK), Dies()),
    ("3.4 requests before the server's SETTINGS", PREFACE + settings() + WHOLE, Lives()),
]

SINGLE = [flow_control, pings_are_answered, settings_are_acknowledged, too_many_streams,
          a_padded_order]


def memory(pid):
    with open(f"/proc/{pid}/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize()


def main(address, pid, part=""):
    host, port = address.rsplit(":", 1)
    address = (host, int(port))
    opened = []

    def connect(first=PREFACE + settings(), polite=True):
        opened.append(Connection(address, first, polite))
        return opened[-1]

    def sent(first, octets, want):
        def run(connect):
            connection = connect(first)
            connection.send(octets)
            want.holds(connection)

        return run

    if part == "floods":
        cases = FLOODS
    else:
        cases = [(name, sent(first, b"", want)) for name, first, want in PREFACES]
        cases += [(name, sent(PREFACE + settings(), octets, want)) for name, octets, want in CASES]
        cases += [(run.__doc__, run) for run in SINGLE]
        # All at once, beside the others.
        stalled = [(name, Connection(address, first, polite=False)) for name, first in STALLED]
        cases += [(name, lambda _, it=connection: it.end()) for name, connection in stalled]
    failed = 0
    connect().submit(1, "first")
    before = memory(pid)
    for number, (name, run) in enumerate(cases):
        start = time.monotonic()
        try:
            run(connect)
            connect().submit(1, f"after-{number}")
        except (AssertionError, OSError, TypeError) as error:
            failed += 1
            print(f"{name}: {error!r}", flush=True)
        for connection in opened:
            connection.socket.close()
        opened.clear()
        if "-v" in sys.argv:
            print(f"{time.monotonic() - start:6.3f} s {memory(pid) >> 10:8} KiB  {name}")
    grown = memory(pid) - before
    if grown > GROWTH_MAX:
        failed += 1
        print(f"the server holds {grown >> 20} MiB more than before")
    print(f"{len(cases)} cases, {failed} failed")
    sys.exit(failed > 0)


if __name__ == "__main__":
    main(*(argument for argument in sys.argv[1:] if argument != "-v"))
