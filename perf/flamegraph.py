#!/usr/bin/env python3
"""A flame graph from `perf script`: stacks collapsed, drawn as one SVG.

    perf script -F comm,tid,ip,sym,dso | perf/flamegraph.py > flames.svg

Width is the share of samples, the caller is below the callee, order on a level
is alphabetical. Hovering shows name, samples and share. No script in it, so it
can be shown anywhere. perf/profile calls this.
"""

import collections
import itertools
import re
import sys
from xml.sax.saxutils import escape

WIDTH = 1200
FRAME_HEIGHT = 17
CHARACTER_WIDTH = 6.6
# Narrower frames are left out: nobody could see or hit them.
WIDTH_MIN = 0.3
HEAD = 40

# By what the code belongs to: the first pattern found in the object's name, if it
# is the kernel's, which stands in brackets, or else in the symbol.
KINDS = (
    ("kernel", re.compile(r"^\["), "#e0a060"),
    ("order-processor", re.compile(r"order_processor::"), "#e0604a"),
    ("may, generator", re.compile(r"\b(may|generator|may_minihttp|may_queue)::"), "#8fb8de"),
    ("allocator", re.compile(r"\b_?mi_"), "#c8a2d8"),
    ("other", re.compile(r""), "#d9cf7a"),
)


def samples(lines, *, addresses=False):
    """Of each sample in `perf script` output: its stack, the outermost first;
    with `addresses`, each frame has its address as a third element.
    """
    stack, head = [], None
    for line in itertools.chain(lines, [""]):
        line = line.rstrip("\n")
        if not line.strip():
            # What lies below a coroutine's first function is no caller.
            while stack and stack[-1][1] == "[unknown]":
                stack.pop()
            if head is not None:
                yield (head, *reversed(stack))
            stack, head = [], None
        elif not line[0].isspace():
            # "name tid" and, depending on the fields asked for, more
            found = re.match(r"(.*?)\s+\d+(?:/\d+)?(?:\s|$)", line)
            head = ("", found[1] if found else line, 0)[: 3 if addresses else 2]
        else:
            frame = re.match(r"\s+([0-9a-f]+) (.*?)(?: \((\S*)\))?$", line)
            if frame:
                named = (frame[3] or "", clean(frame[2]))
                stack.append((*named, int(frame[1], 16)) if addresses else named)


def clean(symbol):
    """Without offset and the hash that the compiler adds."""
    symbol = re.sub(r"\+0x[0-9a-f]+$", "", symbol)
    return re.sub(r"::h[0-9a-f]{16}$", "", symbol)


def kind(frame):
    dso, symbol = frame
    text = dso if dso.startswith("[") else symbol
    return next(index for index, (_, pattern, _) in enumerate(KINDS) if pattern.search(text))


def top_itself(stacks, number):
    """The functions in which most samples lie: (share, symbol)."""
    counts = collections.Counter(stack[-1][1] for stack in stacks)
    return [(count / len(stacks), symbol) for symbol, count in counts.most_common(number)]


def top_with_callees(stacks, number):
    """Likewise, with what they call: a function counts once a stack."""
    counts = collections.Counter(symbol for stack in stacks for symbol in {symbol for _, symbol in stack[1:]})
    return [(count / len(stacks), symbol) for symbol, count in counts.most_common(number)]


class Node:
    def __init__(self):
        self.samples = 0
        self.children = {}


def tree(stacks):
    root = Node()
    for stack in stacks:
        root.samples += 1
        node = root
        for frame in stack:
            node = node.children.setdefault(frame, Node())
            node.samples += 1
    return root


def svg(stacks, title):
    """The picture, as text."""
    root = tree(stacks)
    if not root.samples:
        raise ValueError("no samples")
    scale = WIDTH / root.samples
    parts, deepest = [], 0
    # (frame, node, left edge, level); a list, since stacks can be deep
    todo = [(("", "all"), root, 0.0, 0)]
    while todo:
        frame, node, left, level = todo.pop()
        width = node.samples * scale
        if width < WIDTH_MIN:
            continue
        deepest = max(deepest, level)
        parts.append((frame, node.samples, left, width, level))
        edge = left
        for child_frame in sorted(node.children, key=lambda frame: frame[1]):
            child = node.children[child_frame]
            todo.append((child_frame, child, edge, level + 1))
            edge += child.samples * scale
    height = HEAD + (deepest + 1) * FRAME_HEIGHT + 10
    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
        'font-family="monospace" font-size="11">',
        f'<rect width="{WIDTH}" height="{height}" fill="white"/>',
        f'<text x="6" y="14" font-size="12">{escape(title)}</text>',
    ]
    left = 6
    for name, _, colour in KINDS:
        out.append(f'<rect x="{left}" y="20" width="10" height="10" fill="{colour}"/>')
        out.append(f'<text x="{left + 14}" y="29">{name}</text>')
        left += 30 + len(name) * CHARACTER_WIDTH
    for frame, count, left, width, level in parts:
        y = height - 10 - (level + 1) * FRAME_HEIGHT
        share = count / root.samples
        where = f" ({frame[0].rsplit('/', 1)[-1]})" if frame[0] else ""
        fits = int((width - 4) / CHARACTER_WIDTH)
        label = frame[1] if len(frame[1]) <= fits else frame[1][: fits - 1] + "…" if fits > 3 else ""
        out.append(
            f"<g><title>{escape(frame[1] + where)}: {count} samples, {share:.2%}</title>"
            f'<rect x="{left:.2f}" y="{y}" width="{max(width - 0.4, 0.2):.2f}" height="{FRAME_HEIGHT - 1}" '
            f'fill="{KINDS[kind(frame)][2] if level > 1 else "#cccccc"}"/>'
            + (f'<text x="{left + 2:.2f}" y="{y + 12}">{escape(label)}</text>' if label else "")
            + "</g>"
        )
    return "\n".join([*out, "</svg>", ""])


if __name__ == "__main__":
    read = list(samples(sys.stdin))
    if not read:
        sys.exit("flamegraph.py: no samples on standard input: pipe `perf script` into it")
    sys.stdout.write(svg(read, f"{len(read)} samples"))
