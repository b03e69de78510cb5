#!/usr/bin/env python3
"""Checks examples/compose without Docker: tests/compose_check.py

That each file it mounts is there, each variable and flag is one of the program's,
each image has a version, the service ends before it is killed, and that Prometheus
and Grafana are told addresses and paths that the compose file gives them. Needs
PyYAML. Exits 1 and lists what is wrong.
"""

import json
import pathlib
import re
import sys

import yaml

from k8s_check import DRAIN_END_SECONDS, VARIABLES, seconds

ROOT = pathlib.Path(__file__).resolve().parent.parent
COMPOSE = ROOT / "examples/compose"
IMAGE = "order-processor"

problems = []


def check(holds, message):
    if not holds:
        problems.append(message)


def load(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def image_variables():
    """The variables that the image sets, and their values."""
    text = (ROOT / "Dockerfile").read_text(encoding="utf-8")
    return dict(re.findall(r"\b(ORDERS_[A-Z_]+)=(\S+)", text))


def mounts(name, service, volumes):
    """What is mounted where in the container: files here by their path there."""
    found = {}
    for mount in service.get("volumes", []):
        source, target, *_ = mount.split(":")
        if source.startswith("."):
            path = (COMPOSE / source).resolve()
            check(path.is_file(), f"{name}: there is no {source}")
            check(mount.endswith(":ro"), f"{name}: {source} is writable")
            found[target] = path
        else:
            check(source in volumes, f"{name}: no volume {source} is declared")
    return found


def check_image(name, service):
    image = service["image"]
    if image == IMAGE:
        return
    version = re.search(r":v?\d+\.\d+\.\d+[\w.-]*(@sha256:[0-9a-f]{64})?$", image)
    check(version, f"{name}: {image} names no version")


def check_published(name, service):
    for port in service.get("ports", []):
        check(port.startswith("127.0.0.1:"), f"{name}: port {port} is open to other machines")


def check_instance(name, service):
    """A service that runs this program."""
    env = image_variables() | service.get("environment", {})
    for variable in sorted(set(env) - VARIABLES):
        check(False, f"{name}: {variable} is no variable of the program")
    for flag in re.findall(r"--([a-z-]+)", " ".join(service.get("command", []))):
        variable = "ORDERS_" + flag.replace("-", "_").upper()
        check(variable in VARIABLES, f"{name}: --{flag} is no flag of the program")
    needed = seconds(env["ORDERS_DRAIN_TIMEOUT"]) + DRAIN_END_SECONDS
    grace = seconds(service.get("stop_grace_period", "10s"))
    check(grace > needed, f"{name}: killed after {grace} s, and a drain takes up to {needed}")
    check(service.get("read_only") is True, f"{name}: its root file system is writable")
    listen = [env[f"ORDERS_{port}LISTEN"] for port in ("", "ADMIN_", "GRPC_")]
    inside = {address.rsplit(":", 1)[1] for address in listen}
    for port in service.get("ports", []):
        check(port.rsplit(":", 1)[1] in inside, f"{name}: {port} leads to no port of the program")


def check_prometheus(services, files):
    config = load(files["/etc/prometheus/prometheus.yml"])
    for rules in config["rule_files"]:
        check(rules in files, f"prometheus: {rules} is not mounted")
    admin = image_variables()["ORDERS_ADMIN_LISTEN"].rsplit(":", 1)[1]
    targets = []
    for job in config["scrape_configs"]:
        check(IMAGE in job["job_name"], f"prometheus: rules don't select the job {job['job_name']}")
        for static in job.get("static_configs", []):
            targets += [target.rsplit(":", 1) for target in static["targets"]]
        for names in job.get("dns_sd_configs", []):
            targets += [[name, str(names["port"])] for name in names["names"]]
    for host, port in targets:
        check(services.get(host, {}).get("image") == IMAGE, f"prometheus: {host} runs something else")
        check(port == admin, f"prometheus: {host}:{port} is not the admin port")
    instances = {name for name, service in services.items() if service["image"] == IMAGE}
    check(instances == {host for host, _ in targets}, "prometheus doesn't scrape every instance")


def check_grafana(service, files):
    folder = "/etc/grafana/provisioning"
    (source,) = load(files[f"{folder}/datasources/prometheus.yaml"])["datasources"]
    check(source["url"] == "http://prometheus:9090", "grafana asks another Prometheus")
    (provider,) = load(files[f"{folder}/dashboards/order-processor.yaml"])["providers"]
    path = provider["options"]["path"]
    dashboards = [there for there in files if there.startswith(path + "/")]
    check(len(dashboards) == 1, f"grafana: {len(dashboards)} dashboards in {path}")
    home = service["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    check([home] == dashboards, "grafana opens with another dashboard")
    for there in dashboards:
        json.loads(files[there].read_text(encoding="utf-8"))


def main():
    compose = load(COMPOSE / "compose.yaml")
    services = compose["services"]
    for name, service in services.items():
        files = mounts(name, service, compose["volumes"])
        check_image(name, service)
        check_published(name, service)
        if service["image"] == IMAGE:
            check_instance(name, service)
        if name == "prometheus":
            check_prometheus(services, files)
        if name == "grafana":
            check_grafana(service, files)
    profiled = [name for name, service in services.items() if service.get("profiles") == ["nats"]]
    check(profiled == ["nats", "orders-on-nats"], f"the profile has {profiled}")
    ledger = services["orders-on-nats"]["environment"].get("ORDERS_LEDGER")
    check(ledger == "nats://nats:4222", f"orders-on-nats commits to {ledger}")
    for problem in problems:
        print(f"examples/compose: {problem}", file=sys.stderr)
    if not problems:
        print(f"examples/compose: {len(services)} services, all relations hold")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
