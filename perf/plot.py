"""The comparison as an SVG: bars of medians, a dot for each round."""

import math
from xml.sax.saxutils import escape

COLOURS = ("#2563a8", "#7fb3de", "#d98032", "#5a9e5a", "#9467a8", "#8c6d4f", "#c44e52", "#777777")
LEGENDS_A_ROW = 5
METRICS = (
    # key, title, factor to the title's unit
    ("requests_per_second", "requests/s (more is better)", 1),
    ("cpu_us_per_request", "server CPU, µs a request (less is better)", 1),
    ("p99_us", "p99 latency, ms (less is better)", 1e-3),
)
PANEL_WIDTH, PANEL_HEIGHT, MARGIN, TOP, GAP = 400, 190, 60, 70, 60


def svg(cells, servers, modes, connections, caption):
    """`cells` maps (server, mode, connections) to {"rounds": […], "median": {…}}."""
    width = MARGIN + len(modes) * (PANEL_WIDTH + MARGIN)
    height = TOP + len(METRICS) * (PANEL_HEIGHT + GAP) + 20
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" '
        'font-family="sans-serif" font-size="12">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
    ]
    for index, server in enumerate(servers):
        parts += legend(index, server)
    parts.append(f'<text x="{MARGIN}" y="{height - 8}" font-size="9" fill="#555">{escape(caption)}</text>')
    for row, (key, title, factor) in enumerate(METRICS):
        for column, mode in enumerate(modes):
            left = MARGIN + column * (PANEL_WIDTH + MARGIN)
            top = TOP + row * (PANEL_HEIGHT + GAP)
            parts += _panel(cells, servers, mode, connections, key, factor, left, top)
            parts.append(f'<text x="{left}" y="{top - 10}" font-weight="bold">{mode}: {escape(title)}</text>')
    return "\n".join([*parts, "</svg>", ""])


def legend(index, name, a_row=LEGENDS_A_ROW):
    x, y = MARGIN + 170 * (index % a_row), 12 + 18 * (index // a_row)
    return [
        f'<rect x="{x}" y="{y}" width="12" height="12" fill="{COLOURS[index]}"/>',
        f'<text x="{x + 18}" y="{y + 11}">{escape(name)}</text>',
    ]


def _panel(cells, servers, mode, connections, key, factor, left, top):
    def values(server, count):
        return [cell[key] * factor for cell in cells[server, mode, count]["rounds"]]

    highest = max((v for s in servers for c in connections for v in values(s, c)), default=0) or 1
    step = step_of(highest)
    scale = PANEL_HEIGHT / (step * (int(highest / step) + 1))
    bottom = top + PANEL_HEIGHT
    parts = []
    for line in range(int(highest / step) + 2):
        y = bottom - line * step * scale
        parts.append(f'<line x1="{left}" x2="{left + PANEL_WIDTH}" y1="{y:.1f}" y2="{y:.1f}" stroke="#ddd"/>')
        parts.append(f'<text x="{left - 6}" y="{y + 4:.1f}" text-anchor="end" font-size="10">{line * step:g}</text>')
    group = PANEL_WIDTH / len(connections)
    bar = group * 0.8 / len(servers)
    for position, count in enumerate(connections):
        start = left + position * group + group * 0.1
        parts.append(
            f'<text x="{start + group * 0.4:.1f}" y="{bottom + 16}" text-anchor="middle">'
            f'{count} connection{"s" * (count != 1)}</text>'
        )
        for index, server in enumerate(servers):
            x = start + index * bar
            median = cells[server, mode, count]["median"][key] * factor
            parts.append(
                f'<rect x="{x:.1f}" y="{bottom - median * scale:.1f}" width="{bar - 2:.1f}" '
                f'height="{median * scale:.1f}" fill="{COLOURS[index]}">'
                f"<title>{escape(server)}, {mode}, {count}: {median:,.4g}</title></rect>"
            )
            for value in values(server, count):
                parts.append(
                    f'<circle cx="{x + bar / 2 - 1:.1f}" cy="{bottom - value * scale:.1f}" r="2" '
                    'fill="none" stroke="#222" stroke-width="0.8"/>'
                )
    return parts


def step_of(highest):
    """A round distance between grid lines, for four to ten of them."""
    power = 10.0 ** math.floor(math.log10(highest / 4))
    return max(power * round_one for round_one in (1, 2, 2.5, 5) if power * round_one <= highest / 4)
