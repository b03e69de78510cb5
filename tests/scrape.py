#!/usr/bin/env python3
"""Reads a scrape strictly: scrape.py classic|openmetrics FILE

Checks what the two formats ask for (Prometheus text format 0.0.4; OpenMetrics 1.0),
and what any reader relies on: families described once and in one piece, names and
labels well formed, no sample twice, histograms that add up. Prints the number of
families, or says what is wrong and exits with 1.
"""

import re
import sys

NAME = r"[a-zA-Z_:][a-zA-Z0-9_:]*"
LABEL = r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\\\|\\"|\\n)*)"'
SAMPLE = re.compile(rf"({NAME})(?:\{{({LABEL}(?:,{LABEL})*)\}})? (\S+)")
NUMBER = re.compile(r"(?:0|[1-9][0-9]*)(?:\.[0-9]+)?|\+Inf")

TYPES = {
    "classic": {"counter", "gauge", "histogram"},
    "openmetrics": {"counter", "gauge", "histogram", "info"},
}
SUFFIXES = {
    ("classic", "counter"): [""],
    ("classic", "gauge"): [""],
    ("openmetrics", "counter"): ["_total"],
    ("openmetrics", "gauge"): [""],
    ("openmetrics", "info"): ["_info"],
}
HISTOGRAM = ["_bucket", "_sum", "_count"]


def check(holds, what):
    if not holds:
        sys.exit(f"scrape.py: {what}")


class Family:
    def __init__(self, form, name, help_text):
        check(help_text, f"{name} has an empty help text")
        self.form, self.name, self.type, self.unit = form, name, None, None
        self.samples = {}

    def describe(self, keyword, text):
        check(not self.samples, f"{keyword} of {self.name} behind its samples")
        if keyword == "TYPE":
            check(self.type is None, f"{self.name} has two types")
            check(text in TYPES[self.form], f"{self.name} is a {text}")
            self.type = text
        else:
            check(keyword == "UNIT" and self.form == "openmetrics", f"{keyword} of {self.name}")
            check(self.name.endswith("_" + text), f"{self.name} is not in {text}")
            self.unit = text

    def take(self, line):
        match = SAMPLE.fullmatch(line)
        check(match, f"no sample: {line!r}")
        name, labels, value = match[1], match[2], match[match.lastindex]
        check(NUMBER.fullmatch(value), f"no number: {line!r}")
        check(self.type, f"{self.name} has no type")
        suffixes = HISTOGRAM if self.type == "histogram" else SUFFIXES[self.form, self.type]
        check(any(name == self.name + suffix for suffix in suffixes), f"{line!r} under {self.name}")
        pairs = [pair[:2] for pair in re.findall(LABEL, labels or "")]
        check(len(dict(pairs)) == len(pairs), f"a label twice: {line!r}")
        key = (name, tuple(sorted(pairs)))
        check(key not in self.samples, f"twice: {line!r}")
        self.samples[key] = float(value.replace("+Inf", "inf"))

    def finish(self):
        check(self.type, f"{self.name} has no type")
        in_unit = any(self.name.endswith(unit) for unit in ("_seconds", "_bytes"))
        if self.form == "openmetrics":
            check(bool(self.unit) == in_unit, f"{self.name} and its unit")
            check(not self.name.endswith("_total"), f"{self.name} is a family's name")
        if self.type == "info":
            check(set(self.samples.values()) == {1.0}, f"{self.name} is not 1")
        if self.type == "histogram":
            self.histogram()

    def histogram(self):
        groups = {}
        for (name, labels), value in self.samples.items():
            rest = tuple(pair for pair in labels if pair[0] != "le")
            group = groups.setdefault(rest, {"buckets": []})
            kind = name[len(self.name):]
            if kind == "_bucket":
                check(len(rest) + 1 == len(labels), f"a bucket of {self.name} without le")
                bound = float(dict(labels)["le"].replace("+Inf", "inf"))
                group["buckets"].append((bound, value))
            else:
                group[kind] = value
        check(groups, f"{self.name} has no samples")
        for labels, group in groups.items():
            buckets = group["buckets"]
            check(buckets == sorted(buckets), f"buckets of {self.name} {labels}: {buckets}")
            counts = [count for _, count in buckets]
            check(counts == sorted(counts), f"{self.name} {labels} is not cumulative")
            check(buckets and buckets[-1][0] == float("inf"), f"{self.name} {labels} lacks +Inf")
            check(counts[-1] == group.get("_count"), f"{self.name} {labels}: +Inf is not its count")
            check("_sum" in group, f"{self.name} {labels} lacks its sum")
            check(counts[-1] > 0 or group["_sum"] == 0, f"{self.name} {labels}: a sum of nothing")


def families(form, text):
    check(text.endswith("\n"), "the last line does not end")
    lines = text[:-1].split("\n")
    if form == "openmetrics":
        check(lines.pop() == "# EOF", "no # EOF")
    found, family = {}, None
    for line in lines:
        check(line == line.strip() and line, f"white space around {line!r}")
        if not line.startswith("#"):
            check(family, f"{line!r} before any family")
            family.take(line)
            continue
        match = re.fullmatch(rf"# (HELP|TYPE|UNIT) ({NAME}) (.+)", line)
        check(match, f"no description: {line!r}")
        keyword, name, rest = match.groups()
        if keyword == "HELP":
            check(name not in found, f"{name} is described twice")
            family = found[name] = Family(form, name, rest)
        else:
            check(family and family.name == name, f"{line!r} without its HELP")
            family.describe(keyword, rest)
    for family in found.values():
        family.finish()
    return found


def main():
    form, path = sys.argv[1:]
    with open(path, encoding="ascii", newline="") as scrape:
        found = families(form, scrape.read())
    for name in ("orders_processed", "orders_failed", "queue_depth", "order_stage_seconds"):
        check(name in found, f"{name} is missing")
    print(len(found))


main()
