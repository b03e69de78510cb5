"""NATS servers for the scripts here: one, or a cluster of three, each message synced."""

import contextlib
import json
import urllib.request
from pathlib import Path

import peers
import service

# tests/run installs it there.
PROGRAM = service.REPO / "target" / "test-python" / "bin" / "nats-server"
CONFIG = """
server_name: "{name}"
listen: "{address}"
http: "{monitor}"
log_file: "{folder}/log"
jetstream {{
    store_dir: "{folder}/jetstream"
    # An fsync before each acknowledgement.
    sync_interval: always
}}
"""
CLUSTER = """
cluster {{
    name: orders
    listen: "{route}"
    routes: [{routes}]
}}
"""


@contextlib.contextmanager
def start(folder, count):
    """So many servers with fresh stores in `folder`; more than one form a cluster.
    Yields them; each one's `addresses` has the names `nats` and `monitor`.
    """
    if not PROGRAM.exists():
        raise service.Trouble("nats-server is needed and missing: tests/run installs it")
    routes = [peers.free_address() for _ in range(count)]
    urls = ", ".join(f'"nats-route://{route}"' for route in routes)
    with contextlib.ExitStack() as stack:
        servers = []
        for number, route in enumerate(routes):
            addresses = {name: peers.free_address() for name in ("nats", "monitor")}
            own = Path(folder) / f"s{number}"
            own.mkdir()
            text = CONFIG.format(name=own.name, address=addresses["nats"], monitor=addresses["monitor"], folder=own)
            if count > 1:
                text += CLUSTER.format(route=route, routes=urls)
            (own / "nats.conf").write_text(text)
            command = [PROGRAM, "-c", own / "nats.conf"]
            servers.append(stack.enter_context(service.Server(command, addresses=addresses)))
        yield servers


def urls(servers):
    return ",".join(server.addresses["nats"] for server in servers)


def leader(servers, stream):
    """The server that leads this stream."""
    if len(servers) == 1:
        return servers[0]
    with urllib.request.urlopen(f"http://{servers[0].addresses['monitor']}/jsz?streams=1", timeout=10) as reply:
        accounts = json.load(reply)["account_details"]
    found = [one for account in accounts for one in account.get("stream_detail", []) if one["name"] == stream]
    return servers[int(found[0]["cluster"]["leader"].removeprefix("s"))]
