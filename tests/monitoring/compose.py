#!/usr/bin/env python3
"""Runs Prometheus with the configuration of examples/compose: compose.py ADMIN_ADDRESS

The file is as it stands but for two things: the instance's name in the compose
network is ADMIN_ADDRESS, and paths in the container are those of the files that are
mounted there. The instance has to be up, and the rules loaded. Prints what was
found, or says what is wrong and exits with 1.
"""

import pathlib
import sys
import tempfile

import yaml

from check import JOB, ROOT, Prometheus, check, rules

COMPOSE = ROOT / "examples/compose"
INSTANCE = "order-processor:9090"


def configuration(target):
    """The text of the file that the container gets."""
    service = yaml.safe_load((COMPOSE / "compose.yaml").read_text())["services"]["prometheus"]
    mounts = [mount.split(":") for mount in service["volumes"] if mount.startswith(".")]
    files = {there: (COMPOSE / here).resolve() for here, there, _ in mounts}
    (argument,) = [word for word in service["command"] if word.startswith("--config.file=")]
    text = files[argument.partition("=")[2]].read_text()
    for there, here in files.items():
        text = text.replace(there, str(here))
    check(text.count(f"[{INSTANCE}]") == 1, f"{INSTANCE} is no target")
    return text.replace(INSTANCE, target)


def main(target):
    with tempfile.TemporaryDirectory() as directory:
        prometheus = Prometheus(configuration(target), pathlib.Path(directory))
        try:
            prometheus.wait_for(f'up{{job="{JOB}"}} == 1')
            loaded = [
                rule["name"]
                for group in prometheus.ask("rules")["groups"]
                for rule in group["rules"]
            ]
            expected = [rule.get("alert", rule.get("record")) for rule in rules()]
            check(loaded == expected, f"rules {loaded}, and not {expected}")
            jobs = {found["metric"]["job"] for found in prometheus.query("up")}
            check(jobs == {JOB}, f"targets of {jobs}, without the profile")
        finally:
            prometheus.stop()
    print(f"{len(loaded)} rules, {JOB} is up")


if __name__ == "__main__":
    main(sys.argv[1])
