#!/usr/bin/env python3
"""Checks k8s/monitoring with a real Prometheus: check.py ADMIN_ADDRESS

Rules through promtool, with their unit tests; a section of docs/runbook.md for
each alert; and every expression of rules and dashboard, evaluated by a Prometheus
that scrapes the service at ADMIN_ADDRESS, which must be getting orders, and have
TLS, gRPC, a journal and a full dedupe window. An expression has to evaluate, and
one of the dashboard has to have a number. Panels that are empty without one of
those have to say so. Prints what was checked, or says what is wrong and exits
with 1.
"""

import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
RULES = ROOT / "k8s/monitoring/rules.yaml"
DASHBOARD = ROOT / "k8s/monitoring/dashboard.json"
UNIT_TESTS = ROOT / "tests/monitoring/rules_test.yaml"
RUNBOOK = ROOT / "docs/runbook.md"
JOB = "order-processor"
# Metrics that not every service has.
OPTIONAL = ("dedupe_window_", "grpc_", "journal_", "tls_")
PATIENCE_SECONDS = 60


def check(holds, what):
    if not holds:
        sys.exit(f"check.py: {what}")


def promtool(*arguments):
    done = subprocess.run(["promtool", *arguments], capture_output=True, text=True)
    check(done.returncode == 0, f"promtool {' '.join(arguments)}:\n{done.stdout}{done.stderr}")


def twice_a_second(target):
    """A configuration that scrapes one target."""
    scrape = {"job_name": JOB, "static_configs": [{"targets": [target]}]}
    return yaml.safe_dump({
        "global": {"scrape_interval": "500ms", "evaluation_interval": "500ms"},
        "rule_files": [str(RULES)],
        "scrape_configs": [scrape],
    })


def free_port():
    """Below those that systems hand out by themselves, which nobody gets meanwhile."""
    first = os.getpid() * 20
    for number in range(first, first + 12_000):
        port = 20_000 + number % 12_000
        with contextlib.suppress(OSError), socket.socket() as probe:
            probe.bind(("127.0.0.1", port))
            return port
    sys.exit("check.py: no port is free")


class Prometheus:
    """A server of its own, with this configuration."""

    def __init__(self, configuration, directory):
        self.address = "127.0.0.1:%d" % free_port()
        config = directory / "prometheus.yml"
        config.write_text(configuration)
        self.log = open(directory / "log", "w+")
        self.process = subprocess.Popen(
            ["prometheus", f"--config.file={config}", f"--web.listen-address={self.address}",
             f"--storage.tsdb.path={directory / 'tsdb'}"],
            stderr=self.log, stdout=self.log,
        )

    def ask(self, path, **parameters):
        url = f"http://{self.address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
        try:
            with urllib.request.urlopen(url, timeout=PATIENCE_SECONDS) as reply:
                return json.load(reply)["data"]
        except urllib.error.HTTPError as error:
            if error.code == 503:  # it listens before it is ready
                raise ConnectionError("not ready") from error
            sys.exit(f"check.py: {parameters}: {error.read().decode()}")

    def query(self, expression):
        return self.ask("query", query=expression)["result"]

    def wait_for(self, expression):
        """Until it has a result."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                break
            try:
                if self.query(expression):
                    return
            except (urllib.error.URLError, ConnectionError):
                pass
            time.sleep(0.1)
        self.log.seek(0)
        sys.exit(f"check.py: not in {PATIENCE_SECONDS} s: {expression}\n{self.log.read()}")

    def stop(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


def rules():
    for group in yaml.safe_load(RULES.read_text())["groups"]:
        yield from group["rules"]


def panels(dashboard):
    for panel in dashboard["panels"]:
        for target in panel.get("targets", []):
            yield panel, target["expr"]


def check_texts():
    """Each alert has a runbook section and a unit test that sees it fire."""
    alerts = {rule["alert"]: rule for rule in rules() if "alert" in rule}
    sections = re.findall(r"^## (Orders\w+)$", RUNBOOK.read_text(), re.M)
    check(sections == list(alerts), f"runbook has {sections}, the rules {list(alerts)}")
    fire = set()
    for test in yaml.safe_load(UNIT_TESTS.read_text())["tests"]:
        fire |= {case["alertname"] for case in test["alert_rule_test"] if case["exp_alerts"]}
    check(fire == set(alerts), f"no unit test for {set(alerts) ^ fire}")
    for name, rule in alerts.items():
        check(rule["labels"]["severity"] in ("page", "ticket"), f"{name} has a severity")
        link = rule["annotations"]["runbook"]
        check(link == f"docs/runbook.md#{name.lower()}", f"{name} links to {link}")
    return len(alerts)


def names_in(expression):
    """The metrics that an expression selects."""
    bare = re.sub(r'"[^"]*"|\[[^\]]*\]|\{[^}]*\}|\boffset \w+', " ", expression)
    bare = re.sub(r"\b(by|on|without|ignoring)\s*\([^)]*\)", " ", bare)
    words = re.findall(r"[a-z_:][a-zA-Z0-9_:]*(?!\w|\s*\()", bare)
    return {word for word in words if word not in ("and", "or", "bool")}


def main(target):
    alerts = check_texts()
    promtool("check", "rules", str(RULES))
    promtool("test", "rules", str(UNIT_TESTS))
    queries = 0
    with tempfile.TemporaryDirectory() as directory:
        prometheus = Prometheus(twice_a_second(target), pathlib.Path(directory))
        try:
            prometheus.wait_for(f'count_over_time(up{{job="{JOB}"}}[1m]) >= 4 and up == 1')
            # The last of them to appear: it needs outcomes.
            prometheus.wait_for("dedupe_window_age_seconds")
            known = set(prometheus.ask("label/__name__/values"))
            known |= {rule["record"] for rule in rules() if "record" in rule}
            for rule in rules():
                prometheus.query(rule["expr"])
                unknown = names_in(rule["expr"]) - known
                check(not unknown, f"{rule.get('alert', rule.get('record'))}: no metric {unknown}")
                queries += 1
            for panel, expression in panels(json.loads(DASHBOARD.read_text())):
                title = panel["title"]
                expression = expression.replace("$__rate_interval", "1m")
                expression = expression.replace("$job", JOB).replace("$instance", ".*")
                names = names_in(expression)
                check(names <= known, f"panel {title!r}: no metric {names - known}")
                # NaN is not: nothing that the rate of a histogram could be of.
                prometheus.wait_for(f"({expression}) > -Inf")
                absent = any(name.startswith(OPTIONAL) for name in names)
                said = "bsent" in panel["description"]
                check(said or not absent, f"panel {title!r}: when is it absent?")
                queries += 1
        finally:
            prometheus.stop()
    print(f"{alerts} alerts, {queries} queries")


if __name__ == "__main__":
    main(sys.argv[1])
