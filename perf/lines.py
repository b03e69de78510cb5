"""Values over one quantity as an SVG: a line of medians, a dot for each round."""

import math
import statistics
from xml.sax.saxutils import escape

from plot import COLOURS, MARGIN, TOP, legend, step_of

WIDTH, HEIGHT, GAP = 460, 220, 60
LEGENDS_A_ROW = 3


def svg(panels, names, caption):
    """`panels` maps a title to (logarithmic, {name: {x: [value of a round, …]}});
    the lines' names are the same in all.
    """
    width, height = MARGIN + WIDTH + MARGIN, TOP + len(panels) * (HEIGHT + GAP) + 10
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for index, name in enumerate(names):
        parts += legend(index, name, LEGENDS_A_ROW)
    for row, (title, (logarithmic, lines)) in enumerate(panels.items()):
        top = TOP + row * (HEIGHT + GAP)
        parts.append(f'<text x="{MARGIN}" y="{top - 10}" font-weight="bold">{escape(title)}</text>')
        parts += _panel(lines, names, logarithmic, top)
    parts.append(f'<text x="{MARGIN}" y="{height - 8}" font-size="6" fill="#555">{escape(caption)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(lines, names, logarithmic, top):
    marks = sorted({at for line in lines.values() for at in line})
    scaled = (lambda at: math.log(at)) if logarithmic else (lambda at: at)
    low, span = scaled(marks[0]), scaled(marks[-1]) - scaled(marks[0]) or 1
    highest = max((value for line in lines.values() for of in line.values() for value in of), default=0) or 1
    step = step_of(highest)
    steps = int(highest / step) + 1
    bottom = top + HEIGHT

    def x(at):
        return MARGIN + WIDTH * (scaled(at) - low) / span

    def y(value):
        return bottom - HEIGHT * value / (step * steps)

    parts = []
    for line in range(steps + 1):
        at = y(line * step)
        parts.append(f'<line x1="{MARGIN}" x2="{MARGIN + WIDTH}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{MARGIN - 6}" y="{at + 4:.1f}" text-anchor="end" font-size="10">{line * step:g}</text>')
    for mark in marks:
        parts.append(f'<text x="{x(mark):.1f}" y="{bottom + 16}" text-anchor="middle">{mark:,}</text>')
    for index, name in enumerate(names):
        if name not in lines:
            continue
        line, colour = lines[name], COLOURS[index]
        points = " ".join(f"{x(at):.1f},{y(statistics.median(line[at])):.1f}" for at in sorted(line))
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2">'
            f"<title>{escape(name)}</title></polyline>"
        )
        for at, values in line.items():
            for value in values:
                parts.append(
                    f'<circle cx="{x(at):.1f}" cy="{y(value):.1f}" r="2" fill="none" stroke="{colour}" '
                    'stroke-width="0.8"/>'
                )
    return parts
