#!/usr/bin/env python3
"""Walks through the Dockerfile's builder stage without Docker: tests/dockerfile_check.py

Every COPY takes only what .dockerignore lets into the context, and every RUN is
run in a scratch folder, with `cargo build` as `cargo check` and the repository's
own target folder, so that it takes seconds. Shows what a new file, crate or lint
does to an image that is built from a list of files, and that the image's drain fits
`docker stop`. Exits 1 where a step fails.
"""

import os
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

REPO = pathlib.Path(__file__).resolve().parent.parent
# Absolute folders that the stage uses, beside its WORKDIR.
FOLDERS = ("/manifest", "/data")
CARGO = """#!/bin/sh
# Checks instead of building, and leaves the target folder alone.
[ "$1" != auditable ] || shift
command=$1
shift
case "$command" in
    build) for argument; do shift; [ "$argument" = --release ] || set -- "$@" "$argument"; done
           exec "$REAL_CARGO" check "$@" ;;
    clean | install) exit 0 ;;
    *) echo "cargo $command is not known to this check" >&2; exit 1 ;;
esac
"""


def instructions():
    """The builder stage's instructions, as (name, rest)."""
    text = (REPO / "Dockerfile").read_text()
    lines = [line for line in text.splitlines() if not line.lstrip().startswith("#")]
    whole = re.sub(r"\\\n", " ", "\n".join(lines))
    found = [tuple(line.split(None, 1)) for line in whole.splitlines() if line.strip()]
    begins = [number for number, (name, _) in enumerate(found) if name == "FROM"]
    if len(begins) != 2 or not found[begins[0]][1].endswith(" AS builder"):
        sys.exit("Dockerfile: a stage `builder` and one after it were expected")
    return found[begins[0] + 1 : begins[1]]


def check_drain():
    """`docker stop` kills after 10 s; a drain takes up to 4 s after its deadline."""
    found = re.search(r"ORDERS_DRAIN_TIMEOUT=(\d+)s\b", (REPO / "Dockerfile").read_text())
    if not found or int(found[1]) + 4 >= 10:
        sys.exit("Dockerfile: ORDERS_DRAIN_TIMEOUT doesn't fit into docker stop's 10 s")


def context():
    """What .dockerignore, a list of what is let in, leaves of the repository."""
    lines = (REPO / ".dockerignore").read_text().split("\n")
    rules = [line for line in lines if line and not line.startswith("#")]
    if rules[0] != "*" or not all(rule.startswith("!") for rule in rules[1:]):
        sys.exit(".dockerignore: `*` and then exceptions were expected")
    return {rule[1:] for rule in rules[1:]}


def copy(what, build, let_in):
    *sources, target = what.split()
    for source in sources:
        if source not in let_in:
            sys.exit(f"Dockerfile: COPY {source}: .dockerignore keeps it out")
        place = build / target
        if (REPO / source).is_dir():
            shutil.copytree(REPO / source, place, dirs_exist_ok=True)
        else:
            shutil.copy(REPO / source, place)


def main():
    check_drain()
    let_in = context()
    with tempfile.TemporaryDirectory() as scratch:
        scratch = pathlib.Path(scratch)
        build, programs = scratch / "build", scratch / "programs"
        build.mkdir()
        programs.mkdir()
        (programs / "cargo").write_text(CARGO)
        (programs / "cargo").chmod(0o755)
        environment = os.environ | {
            "REAL_CARGO": shutil.which("cargo") or sys.exit("no cargo"),
            "PATH": f"{programs}:{os.environ['PATH']}",
            "CARGO_TARGET_DIR": os.environ.get("CARGO_TARGET_DIR", str(REPO / "target")),
        }
        for name, rest in instructions():
            for folder in FOLDERS:
                rest = re.sub(rf"(?<!\S){folder}\b", f"{scratch}{folder}", rest)
            print(f"{name} {rest[:70]}", flush=True)
            match name:
                case "WORKDIR":
                    pass
                case "COPY":
                    (scratch / "manifest").mkdir(exist_ok=True)
                    copy(rest, build, let_in)
                case "RUN":
                    if subprocess.run(["sh", "-ec", rest], cwd=build, env=environment).returncode:
                        sys.exit(f"Dockerfile: RUN {rest[:70]}… failed")
                case _:
                    sys.exit(f"Dockerfile: {name} is not known to this check")
    print("the builder stage's steps pass")


main()
