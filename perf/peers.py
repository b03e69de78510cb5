"""Servers of others that the scripts here measure: started in a directory of
their own, on a free port, ended.
"""

import os
import socket

import service

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
