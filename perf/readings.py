"""What the kernel says of a process (proc(5)), and of the machine."""

import os
import platform
import re
import subprocess
import sys
import time
from pathlib import Path

from service import GIVEN, REPO

TICKS_A_SECOND = os.sysconf("SC_CLK_TCK")


def cpu_seconds(pid):
    """User and system time of a process so far, all threads, in ticks of 10 ms
    as a rule (utime and stime in /proc/PID/stat).
    """
    # The name, in parentheses, may hold spaces.
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_A_SECOND


def tree_cpu_seconds(pid):
    """The same of a process and all that descend from it, those included that
    have ended and were waited for: servers of several processes.
    """
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # ended meanwhile; its parent has counted it
    return sum(map(int, fields[11:15])) / TICKS_A_SECOND + sum(map(tree_cpu_seconds, children))


def threads(pid):
    """For each thread: its name, CPU seconds and context switches so far.

    CPU time is the scheduler's, in nanoseconds, so that an idle process can be
    read, too. Threads that have ended are not in it.
    """
    found = {}
    for task in Path(f"/proc/{pid}/task").iterdir():
        try:
            status = (task / "status").read_text()
            nanoseconds = int((task / "schedstat").read_text().split()[0])
        except (FileNotFoundError, ProcessLookupError):
            continue  # ended meanwhile

        def switches(kind, status=status):
            return int(re.search(rf"^{kind}_ctxt_switches:\s*(\d+)", status, re.M)[1])

        found[int(task.name)] = {
            "name": re.search(r"^Name:\s*(.*)$", status, re.M)[1],
            "cpu_seconds": nanoseconds / 1e9,
            "voluntary": switches("voluntary"),
            "involuntary": switches("nonvoluntary"),
        }
    return found


def spent(before, after):
    """What threads used between two readings, the busiest first."""
    rows = []
    for tid, now in after.items():
        then = before.get(tid, {"cpu_seconds": 0, "voluntary": 0, "involuntary": 0})
        rows.append({"name": now["name"]} | {key: now[key] - then[key] for key in then if key != "name"})
    return sorted(rows, key=lambda row: -row["cpu_seconds"])


def memory_kib(pid):
    """RSS, and PSS (shared pages counted by share), in KiB."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return {kind: int(re.search(rf"^{kind}:\s*(\d+) kB", rollup, re.M)[1]) for kind in ("Rss", "Pss")}


def provenance():
    """What a figure is worthless without: machine, commit, command, time."""
    cpuinfo = Path("/proc/cpuinfo").read_text()
    model = re.search(r"^(?:model name|Model)\s*:\s*(.*)$", cpuinfo, re.M)
    return {
        "cpu": model[1] if model else platform.machine(),
        "cores": len(os.sched_getaffinity(0)),
        "kernel": platform.release(),
        "load_1min_at_start": round(os.getloadavg()[0], 2),
        "commit": _commit(),
        "command": " ".join(["perf/" + Path(sys.argv[0]).name, *sys.argv[1:]]),
        "at": time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime()),
    }


def provenance_line(found):
    """The same as a line of Markdown."""
    return (
        f"{found['cpu']}, {found['cores']} cores, Linux {found['kernel']}, "
        f"load {found['load_1min_at_start']} at the start; commit {found['commit']}; "
        f"`{found['command']}`; {found['at']}"
    )


def _commit():
    if given := os.environ.get(GIVEN):
        return f"unknown (measures {given})"

    def git(*arguments):
        command = ["git", "-C", str(REPO), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    try:
        built = ("src", "proto", "build.rs", "Cargo.toml", "Cargo.lock", "perf/peers")
        changed = git("status", "--porcelain", "--", *built)
        return git("rev-parse", "--short=12", "HEAD") + (" with changes" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
