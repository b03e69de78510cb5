"""The servers that the scripts here measure: built, started on a free port, ended.

Needs cargo on the PATH. Everything built goes under the cargo target directory
(CARGO_TARGET_DIR, or target/), nothing under perf/.
"""

import contextlib
import json
import os
import resource
import select
import shutil
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
import tomllib
from pathlib import Path

PERF = Path(__file__).resolve().parent
REPO = PERF.parent
OUT = PERF / "out"
ENGINES = ("native", "may_minihttp")
MODES = ("queued", "committed")
# Names a program to measure instead of building one: an older version, say.
GIVEN = "ORDER_PROCESSOR_BIN"

START_SECONDS_MAX = 20
DRAIN_SECONDS_MAX = 30


class Trouble(Exception):
    """What ends a script; the message says what to do."""


def run(main):
    """Runs a script: what it started is ended on Ctrl-C and SIGTERM, too."""
    sys.stdout.reconfigure(line_buffering=True)
    # A shell starts background jobs with SIGINT ignored.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    script = Path(sys.argv[0]).name
    try:
        sys.exit(main())
    except Trouble as trouble:
        print(f"perf/{script}: {trouble}", file=sys.stderr)
        sys.exit(1)
    except BrokenPipeError:
        # Whoever read us has gone. Nothing more is written, not even at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
    except KeyboardInterrupt:
        print(f"perf/{script}: interrupted", file=sys.stderr)
        sys.exit(130)


INSTALL = {
    "cargo": "see https://rustup.rs",
    "h2load": "sudo apt-get install nghttp2-client",
    "nginx": "sudo apt-get install nginx-light",
    "pngquant": "sudo apt-get install pngquant",
    "perf": "sudo apt-get install linux-perf (Ubuntu: linux-tools-generic)",
    "strace": "sudo apt-get install strace",
    "valgrind": "sudo apt-get install valgrind",
    "wrk": "sudo apt-get install wrk",
}


def need(program):
    """Ends the script with what to do if a program is missing."""
    if shutil.which(program) is None:
        raise Trouble(f"{program} is needed and missing: {INSTALL[program]}")


def raise_descriptor_limit(wanted):
    """For this process and, inherited, for the server."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if hard != resource.RLIM_INFINITY and hard < wanted:
        if os.geteuid() != 0:
            raise Trouble(
                f"the hard limit is {hard} descriptors, {wanted} are needed: raise it, or use fewer --connections"
            )
        hard = wanted
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def target_dir():
    """Where cargo builds the service."""
    return Path(os.environ.get("CARGO_TARGET_DIR") or REPO / "target").absolute()


def build_service(*, profiled=False):
    """Builds the service in release mode; the path of the program.

    `profiled` builds it with frame pointers and line tables, in a target
    directory of its own. A program that the environment names is taken as it is.
    """
    if given := os.environ.get(GIVEN):
        if not os.access(given, os.X_OK):
            raise Trouble(f"{GIVEN} is {given}, and that is no program")
        return Path(given)
    target, environment = target_dir(), {}
    if profiled:
        target = target / "perf" / "profile"
        environment = {
            "RUSTFLAGS": "-C force-frame-pointers=yes",
            "CFLAGS": "-fno-omit-frame-pointer -g",  # for what is C: the allocator
            "CARGO_PROFILE_RELEASE_DEBUG": "1",
        }
    _cargo("the service", REPO, target, environment)
    return target / "release" / "order-processor"


def build_peer(name):
    """Builds a peer in release mode; the path of the program. What else it has
    lies beside that.
    """
    # A package of its own, or a member of the workspace.
    alone = name == "tonic"
    folder = PERF / "peers" / name if alone else PERF / "peers"
    _same_profile(folder)
    target = target_dir() / "perf" / (name if alone else "peers")
    _cargo(f"the {name} peer", folder, target, {}, () if alone else ("--package", f"{name}-peer"))
    return target / "release" / f"{name}-peer"


def build_open_loop():
    """Builds the generator with a given rate; the path of the program."""
    target = target_dir() / "perf" / "peers"
    _cargo("the generator", PERF / "peers", target, {}, ("--package", "open-loop"))
    return target / "release" / "open-loop"


def _same_profile(folder):
    profiles = [_release_profile(REPO), _release_profile(folder)]
    if profiles[0] != profiles[1]:
        raise Trouble(
            "the release profiles differ, so a comparison would not be fair: "
            f"Cargo.toml has {profiles[0]}, {folder.relative_to(REPO)}/Cargo.toml {profiles[1]}"
        )


def _release_profile(folder):
    with open(folder / "Cargo.toml", "rb") as file:
        return tomllib.load(file).get("profile", {}).get("release", {})


def _cargo(what, folder, target, environment, which=()):
    need("cargo")
    command = ["cargo", "build", "--release", "--locked", *which]
    print(f"building {what} into {target}", file=sys.stderr)
    environment = os.environ | environment | {"CARGO_TARGET_DIR": str(target)}
    if subprocess.run(command, cwd=folder, env=environment, check=False).returncode != 0:
        raise Trouble(f"`{' '.join(command)}` failed in {folder}")


class Server:
    """A running server; a context manager that ends it.

    Its standard error goes through to ours, or into the file `log`. `wrapper` stands before the
    command, for valgrind and the like; `ports` are those whose `listening` line
    is awaited. A server that prints none was given its `addresses`: HOST:PORT,
    or the path of a socket.
    """

    def __init__(
        self, command, *, wrapper=(), ports=("http",), addresses=None, start_seconds_max=START_SECONDS_MAX, log=None
    ):
        self.command = [*wrapper, *map(str, command)]
        self.started = time.perf_counter()
        # In a group of its own, so that its children are ended with it.
        self.process = subprocess.Popen(self.command, stdout=subprocess.PIPE, stderr=log, process_group=0)
        self.stopped = False
        self.addresses = addresses or {}
        # When each `listening` line was read, in seconds since the start.
        self.listening_seconds = {}
        try:
            if addresses:
                self._await_accepting(start_seconds_max)
            else:
                self._await_listening(set(ports), start_seconds_max)
            self._await_ready(start_seconds_max)
        except BaseException:
            self.kill()
            raise

    def _await_listening(self, awaited, seconds_max):
        output = self.process.stdout.fileno()
        seen = b""
        while awaited - self.addresses.keys():
            left = self.started + seconds_max - time.perf_counter()
            if left <= 0 or not select.select([output], [], [], left)[0]:
                raise Trouble(f"`{self}` did not say where it listens within {seconds_max} s")
            chunk = os.read(output, 4096)
            if not chunk:
                code = self.process.wait()
                raise Trouble(f"`{self}` ended with exit code {code} before it listened")
            seen += chunk
            *lines, seen = seen.split(b"\n")
            for line in lines:
                words = line.decode().split()
                if len(words) == 3 and words[0] == "listening":
                    self.addresses[words[1]] = words[2]
                    self.listening_seconds[words[1]] = time.perf_counter() - self.started

    def _await_accepting(self, seconds_max):
        while time.perf_counter() < self.started + seconds_max:
            if self.process.poll() is not None:
                raise Trouble(f"`{self}` ended with exit code {self.process.returncode} before it listened")
            try:
                for address in self.addresses.values():
                    _connect(address, seconds_max)
                return
            except (ConnectionRefusedError, FileNotFoundError):
                time.sleep(0.01)
        raise Trouble(f"`{self}` did not listen within {seconds_max} s")

    def _await_ready(self, seconds_max):
        """Our server says 503 until it is ready; the peers have no /readyz and are ready at once."""
        if "http" not in self.addresses:
            return
        url = f"http://{self.address}/readyz"
        while time.perf_counter() < self.started + seconds_max:
            try:
                urllib.request.urlopen(url, timeout=seconds_max).close()
                return
            except urllib.error.HTTPError as reply:
                if reply.code != 503:
                    return
        raise Trouble(f"`{self}` was not ready within {seconds_max} s")

    def __str__(self):
        return " ".join(self.command)

    @property
    def pid(self):
        return self.process.pid

    @property
    def address(self):
        return self.addresses["http"]

    def __enter__(self):
        return self

    def __exit__(self, kind, *_):
        if kind is not None:
            self.kill()
            return
        code = None if self.stopped else self.process.poll()
        self.stop()
        if code is not None:
            raise Trouble(f"`{self}` ended by itself with exit code {code}")

    def stop(self):
        """Ends it the polite way; its exit code."""
        self.stopped = True
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(DRAIN_SECONDS_MAX)
        self.kill()
        return self.process.returncode

    def kill(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()
        self.process.stdout.close()


def _connect(address, seconds_max):
    """Connects to HOST:PORT or to a path, and hangs up."""
    if address.startswith("/"):
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(address)
        return
    host, _, port = address.rpartition(":")
    socket.create_connection((host, int(port)), timeout=seconds_max).close()


def service(
    program,
    engine="native",
    mode="committed",
    *,
    ledger="memory",
    data_dir=None,
    log_level="error",
    extra=(),
    admin=False,
    grpc=False,
    **how,
):
    """Starts the service on free ports; the journal wants a directory."""
    free = "127.0.0.1:0"
    command = [
        *(program, "--http-engine", engine, "--ack", mode, "--ledger", ledger),
        *(("--data-dir", data_dir) if data_dir else ()),
        *("--log-level", log_level, *extra),
        *("--listen", free, "--admin-listen", free if admin else "off", "--grpc-listen", free if grpc else "off"),
    ]
    ports = ("http", *(["admin"] if admin else []), *(["grpc"] if grpc else []))
    return Server(command, ports=ports, **how)


def peer(program, mode, *, threads=None):
    """Starts an HTTP peer on a free port."""
    command = [program, "--mode", mode, "--listen", "127.0.0.1:0"]
    if threads:
        command += ["--threads", threads]
    return Server(command)


def tonic_peer(program, *, threads=None):
    """Starts the tonic peer on a free port; it has no HTTP port."""
    return Server(
        [program, "--listen", "127.0.0.1:0", *(("--threads", threads) if threads else ())],
        ports=("grpc",),
    )


def submit(address, order_id):
    """Sends an order; the status of the reply."""
    body = f'{{"id":"{order_id}","value":100.50}}'.encode()
    request = urllib.request.Request(f"http://{address}/submit", body, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=START_SECONDS_MAX) as reply:
            return reply.status
    except urllib.error.HTTPError as reply:
        return reply.code


def wrk(address, *, connections, seconds, threads=1, options=("count=off",), wrapper=(), scheme="http"):
    """Loads a server with orders of unique ids; what orders.lua reports, and
    `generator_cpu_seconds`, what wrk itself used. `wrapper` stands before the
    command: what measures for as long as the load lasts.
    """
    need("wrk")
    command = [
        *map(str, wrapper),
        *("wrk", f"-t{min(threads, connections)}", f"-c{connections}", f"-d{seconds}s"),
        *("--timeout", "10s", "-s", str(PERF / "orders.lua"), f"{scheme}://{address}", "--", *options),
    ]
    # In a group of its own, so that a wrapper's child is ended with it.
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
    try:
        output = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    finally:
        if process.returncode is None:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        process.stdout.close()
    for line in output.splitlines():
        if process.returncode == 0 and line.startswith("orders.json "):
            report = json.loads(line.removeprefix("orders.json "))
            report["generator_cpu_seconds"] = usage.ru_utime + usage.ru_stime
            return report
    raise Trouble(f"`{' '.join(command)}` failed with code {process.returncode}:\n{output}")


def generator(command, reading, seconds_max):
    """Runs one of our own generators; what it reports, and by how much
    `reading()` grew while it measured.
    """
    process = subprocess.Popen([*map(str, command)], stdout=subprocess.PIPE, text=True)
    deadline = threading.Timer(seconds_max, process.kill)
    deadline.start()
    readings, report = {}, None
    try:
        for line in process.stdout:
            if line.startswith("{"):
                report = json.loads(line)
            else:
                # It says when what it counts begins and ends.
                readings[line.strip()] = reading()
        code = process.wait()
    finally:
        deadline.cancel()
        if process.poll() is None:
            process.kill()
            process.wait()
        process.stdout.close()
    if code != 0 or report is None:
        raise Trouble(f"`{' '.join(map(str, command))}` failed with code {code}")
    return report, readings["measured"] - readings["measuring"]
