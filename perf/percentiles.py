"""Latencies by percentile as an SVG: a line for each server, both axes
logarithmic, so that the tail takes most of the width.
"""

import math
from xml.sax.saxutils import escape

from plot import COLOURS, MARGIN, TOP, legend

WIDTH, HEIGHT, GAP = 460, 260, 50
LEGENDS_A_ROW = 3
# Where the axis has its marks, and where a distribution is cut off.
MARKS = (0.5, 0.9, 0.99, 0.999, 0.9999)
LAST = 0.9999


def svg(panels, servers, caption):
    """`panels` maps a title to {server: [(fraction, latency in µs), …]}."""
    width, height = MARGIN + WIDTH + MARGIN, TOP + len(panels) * (HEIGHT + GAP) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for index, server in enumerate(servers):
        parts += legend(index, server, LEGENDS_A_ROW)
    for row, (title, lines) in enumerate(panels.items()):
        top = TOP + row * (HEIGHT + GAP)
        parts.append(f'<text x="{MARGIN}" y="{top - 10}" font-weight="bold">{escape(title)}</text>')
        parts += _panel(lines, servers, top)
    parts.append(f'<text x="{MARGIN}" y="{height - 8}" font-size="6" fill="#555">{escape(caption)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def _panel(lines, servers, top):
    shown = [(f, max(us, 1)) for line in lines.values() for f, us in line if f <= LAST]
    low = math.floor(math.log10(min(us for _, us in shown)))
    high = math.ceil(math.log10(max(us for _, us in shown)) + 1e-9)
    bottom, left = top + HEIGHT, MARGIN

    def x(fraction):
        return left + WIDTH * math.log10(1 - fraction) / math.log10(1 - LAST)

    def y(us):
        return bottom - HEIGHT * (math.log10(max(us, 1)) - low) / (high - low)

    parts = []
    for power in range(low, high + 1):
        at = y(10**power)
        parts.append(f'<line x1="{left}" x2="{left + WIDTH}" y1="{at:.1f}" y2="{at:.1f}" stroke="#ddd"/>')
        name = f"{10 ** (power - 3):g} ms" if power >= 3 else f"{10**power} µs"
        parts.append(f'<text x="{left - 6}" y="{at + 4:.1f}" text-anchor="end" font-size="10">{name}</text>')
    for mark in MARKS:
        at = x(mark)
        parts.append(f'<line x1="{at:.1f}" x2="{at:.1f}" y1="{top}" y2="{bottom}" stroke="#ddd"/>')
        parts.append(f'<text x="{at:.1f}" y="{bottom + 16}" text-anchor="middle">p{mark * 100:g}</text>')
    for index, server in enumerate(servers):
        points = " ".join(f"{x(f):.1f},{y(us):.1f}" for f, us in lines.get(server, ()) if f <= LAST)
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{COLOURS[index]}" stroke-width="2">'
            f"<title>{escape(server)}</title></polyline>"
        )
    return parts
