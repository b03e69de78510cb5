"""Which stage of a request a sample belongs to: the budget of perf/profile.

A stack's innermost function that one of the patterns knows decides. Optimised
code has most functions inlined, so a sample's address is resolved to all
functions that it lies in, by addr2line (binutils).
"""

import collections
import re
import subprocess
from pathlib import Path

# A sample in one of these, this many functions deep, whoever called it.
LEAVES = (
    ("clock", 3, re.compile(r"clock_gettime|time::Timespec|Instant::now|clock::")),
    ("allocator", 6, re.compile(r"\b_?mi_|alloc::alloc::")),
)
# The first that knows the innermost function that any knows.
STAGES = tuple((stage, re.compile(pattern)) for stage, pattern in (
    ("socket: send", r"sys_sendto"),
    ("socket: read", r"ksys_read|sys_recvfrom"),
    ("journal: fdatasync", r"sys_fdatasync"),
    ("journal: write", r"sys_pwrite"),
    ("wait and wake", r"sys_epoll|sys_futex|ksys_write|sys_sched_yield"),
    ("head", r"http::wire::parse|connection::head|connection::read_buffer|httparse"),
    ("reply", r"wire::reply|write_buffer|api::outcome|wire::date"),
    ("decode", r"order_processor::order::"),
    ("claim, window", r"dedupe::"),
    ("queue, gate, wake", r"crossbeam_queue|pipeline::(gate|shared)|sync::(parking|wake)"),
    ("evaluate, batch", r"pipeline::"),
    ("journal: encode", r"ledger::"),
    ("admission", r"admission::"),
    ("route, connection", r"http::"),
    ("coroutines", r"\bmay::|generator::|may_queue"),
))
OTHER = "other"


def of(stack):
    """The stage of a stack of (object, function), the outermost first."""
    functions = [function for _, function in reversed(stack)]
    for stage, deep, pattern in LEAVES:
        if any(pattern.search(function) for function in functions[:deep]):
            return stage
    for function in functions:
        for stage, pattern in STAGES:
            if pattern.search(function):
                return stage
    return OTHER


def budget(stacks, cpu_us):
    """Rows of (stage, user µs, kernel µs, both) that sum to `cpu_us`."""
    share = cpu_us / len(stacks)
    user, kernel = collections.Counter(), collections.Counter()
    for stack in stacks:
        (kernel if stack[-1][0].startswith("[") else user)[of(stack[1:])] += 1
    both = user + kernel
    rows = [[stage, user[stage] * share, kernel[stage] * share, count * share] for stage, count in both.most_common()]
    return [*rows, ["sum", user.total() * share, kernel.total() * share, cpu_us]]


class Inlined:
    """The functions that an address of a running program lies in."""

    def __init__(self, program, pid):
        self.program = str(program)
        maps = Path(f"/proc/{pid}/maps").read_text()
        line = next(line for line in maps.splitlines() if line.endswith(str(Path(program).resolve())))
        # A position-independent program starts where its first part is mapped.
        self.base = int(line.split("-")[0], 16)

    def resolve(self, stacks):
        """`stacks` of (object, function, address) as stacks of (object,
        function), with the inlined functions in between.
        """
        # All but the innermost hold return addresses: the call is before that.
        def address(stack, at):
            return stack[at][2] - self.base - (at + 1 < len(stack))

        wanted = sorted({
            address(stack, at)
            for stack in stacks for at in range(1, len(stack)) if stack[at][0] == self.program
        })
        names = dict(zip(wanted, self._names(wanted), strict=True))
        for stack in stacks:
            yield (
                stack[0][:2],
                *(
                    (dso, name)
                    for at, (dso, function, _) in enumerate(stack[1:], 1)
                    for name in ((dso == self.program and names[address(stack, at)]) or [function])
                ),
            )

    def _names(self, addresses):
        """Of each address the functions, the outermost first."""
        command = ["addr2line", "-e", self.program, "-f", "-i", "-C", "-a"]
        text = "\n".join(map(hex, addresses))
        found = subprocess.run(command, input=text, capture_output=True, text=True, check=True).stdout
        names, function = [], True
        for line in found.splitlines():
            if line.startswith("0x"):
                names.append([])
                function = True
                continue
            if function and not line.startswith("??"):
                names[-1].insert(0, re.sub(r"::h[0-9a-f]{16}$", "", line))
            function = not function
        return names
