"""The service and its peers by name: built, started, asked for one order."""

import contextlib
import os
import socket
import tempfile

import service

TITLES = {
    "native": "order-processor, native",
    "may_minihttp": "order-processor, may_minihttp",
    "axum": "axum",
    "actix": "actix-web",
    "hyper": "hyper",
    "nginx": "nginx, return 201",
}
# Built here, with the same options.
HTTP_PEERS = ("axum", "actix", "hyper")
# What an order is answered with; by nginx always with 201.
STATUS = {"queued": 202, "committed": 201}
# Far more than a server takes in a cell: the window never turns over.
ORDERS_PER_SECOND_MAX = 400_000
DEDUPE_WINDOW_MIN = 4_000_000

NGINX = """
daemon off;
pid {folder}/pid;
error_log stderr error;
worker_processes {threads};
events {{
    worker_connections 8192;
}}
http {{
    access_log off;
    default_type application/json;
    # As good as without end: none is closed during a measurement.
    keepalive_requests 1000000000;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    server {{
        # Each process has a queue of connections: they are spread evenly.
        listen {address} reuseport;
        location = /submit {{
            return 201 '{{"id":"00000000-0000000000000000-0-0000000000","status":"processed","seq":1}}';
        }}
        location = /healthz {{
            return 200 '{{"status":"ok"}}';
        }}
        location / {{
            return 404;
        }}
    }}
}}
"""


def build(names):
    """The programs of these servers; the service's is always among them."""
    peers = {name: service.build_peer(name) for name in HTTP_PEERS if name in names}
    return {"service": service.build_service()} | peers


@contextlib.contextmanager
def start(name, program, mode, *, folder, seconds, ledger="memory", server_args=(), threads=None):
    """A fresh server that has answered an order as it should. A name that isn't
    a peer's is the service's. What it writes is in `folder`; it takes orders for
    so many seconds.
    """
    with contextlib.ExitStack() as stack:
        if name in HTTP_PEERS:
            server = service.peer(program, mode, threads=threads)
        else:
            folder.mkdir(parents=True, exist_ok=True)
            fresh = stack.enter_context(tempfile.TemporaryDirectory(dir=folder))
            if name == "nginx":
                server = nginx(fresh, threads=threads)
            else:
                extra = ["--dedupe-window", max(DEDUPE_WINDOW_MIN, ORDERS_PER_SECOND_MAX * seconds)]
                extra += [f"--{argument.removeprefix('--')}" for argument in server_args]
                engine = name if name in service.ENGINES else "native"
                server = service.service(program, engine, mode, ledger=ledger, data_dir=fresh, extra=extra)
        stack.enter_context(server)
        expect(server, "before-the-load", 201 if name == "nginx" else STATUS[mode])
        yield server


def expect(server, order_id, expected):
    """What is measured must be what was meant."""
    status = service.submit(server.address, order_id)
    if status != expected:
        raise service.Trouble(f"`{server}` answered an order with {status}, not {expected}")


def nginx(folder, *, threads=None):
    """Starts nginx, which answers an order without reading it, one process a core."""
    service.need("nginx")
    address = free_address()
    threads = threads or len(os.sched_getaffinity(0))
    path = f"{folder}/nginx.conf"
    with open(path, "w", encoding="utf-8") as file:
        file.write(NGINX.format(folder=folder, address=address, threads=threads))
    # Before the configuration is read, errors go to a file of the package.
    command = ["nginx", "-p", folder, "-c", path, "-e", "stderr"]
    return service.Server(command, addresses={"http": address})


def free_address():
    """An address that nobody listens on, for servers that can't pick one."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        host, port = sock.getsockname()
        return f"{host}:{port}"
