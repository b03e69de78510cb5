// The charts, drawn by uPlot, and for each a legend with the values under the
// cursor and a table of the same.

const CHARTS = [
  {
    id: "rates", series: RATES, height: 200,
    format: (n) => `${rate(n)}/s`,
  },
  { id: "queue", series: ["depth"], names: ["in the queue"], height: 130,
    format: (n) => (Number.isInteger(n) ? count(n) : rate(n)), whole: true },
  {
    id: "latency", series: ["p50", "p99"], height: 130, format: latency, log: true,
  },
];
const LOOKS = {
  accepted: { color: "--accepted", width: 1.5, fill: true },
  processed: { color: "--processed", width: 2 },
  failed: { color: "--failed", width: 2, dash: [7, 4] },
  rejected: { color: "--rejected", width: 2.5, dash: [2, 4] },
  depth: { color: "--queue", width: 2, fill: true },
  p50: { color: "--p50", width: 2 },
  p99: { color: "--p99", width: 2, dash: [7, 4] },
};
const TABLE_ROWS = 12;
const WHOLE_STEPS = Array.from({ length: 12 }, (_, e) => [1, 2, 5].map((n) => n * 10 ** e)).flat();

let spanSeconds = 120;
const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const FONT = '12px system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif';

// From zero to the next round figure, so that the scale doesn't move with every
// sample.
function linear(max) {
  if (!(max > 1)) return [0, 1];
  const power = 10 ** Math.floor(Math.log10(max));
  return [0, [1, 2, 3, 4, 5, 6, 8, 10].map((f) => f * power).find((c) => c >= max)];
}

// Whole powers of ten around the values, for a logarithmic scale.
function decades(min, max) {
  if (!(min > 0)) return [1e-3, 1];
  const low = Math.floor(Math.log10(min));
  return [10 ** low, 10 ** Math.max(low + 1, Math.ceil(Math.log10(max)))];
}

function scales(chart) {
  return {
    x: { time: true, range: () => [Date.now() / 1000 - spanSeconds, Date.now() / 1000] },
    y: chart.log
      ? { distr: 3, log: 10, range: (_, min, max) => decades(min, max) }
      : { range: (_, min, max) => linear(max) },
  };
}

function axes(chart) {
  const isDecade = (n) => Math.abs(Math.log10(n) - Math.round(Math.log10(n))) < 1e-9;
  const filter = (_, ticks) => chart.log ? ticks.map((n) => isDecade(n) ? n : null) : ticks;
  const grid = { stroke: () => color("--grid"), width: 1, filter };
  const shared = { stroke: () => color("--soft"), font: FONT, grid, ticks: { show: false } };
  const time = (t) => spanSeconds > 120 ? clock(t * 1000).slice(0, 5) : clock(t * 1000);
  return [
    { ...shared, space: 90, size: 26, values: (_, ticks) => ticks.map(time) },
    {
      ...shared, size: 62, space: chart.height > 150 ? 36 : 28,
      values: (_, ticks) => ticks.map((n) => n === null ? "" : short(chart, n)),
      filter, incrs: chart.whole ? WHOLE_STEPS : undefined,
    },
  ];
}

// On an axis: no decimals where they say nothing.
const short = (chart, n) => chart.log ? latency(n).replace(/\.0+ /, " ") : n > 0 && n < 1 ? n.toString() : count(n);

function series(name) {
  const look = LOOKS[name];
  return {
    label: name, width: look.width, dash: look.dash,
    stroke: () => color(look.color),
    fill: look.fill ? () => `color-mix(in srgb, ${color(look.color)} 14%, transparent)` : undefined,
    points: { show: false },
  };
}

function made(chart) {
  const box = at(`chart-${chart.id}`);
  const legend = at(`legend-${chart.id}`);
  chart.values = chart.series.map((name, i) => {
    const entry = element("span", undefined, name === "depth" ? "queue" : name);
    const value = element("b", NONE);
    entry.append(element("i"), (chart.names ?? chart.series)[i], " ", value);
    legend.append(entry);
    return value;
  });
  chart.time = element("time");
  legend.append(chart.time);
  const options = {
    width: box.clientWidth, height: chart.height,
    scales: scales(chart), axes: axes(chart),
    series: [{}, ...chart.series.map(series)],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false }, sync: { key: "page" }, points: { size: 7 } },
    padding: [8, 30, 0, 0],
    hooks: { setCursor: [() => point(chart)] },
  };
  chart.plot = new uPlot(options, columns(chart.series, spanSeconds), box);
  new ResizeObserver(() => {
    if (box.clientWidth > 0) chart.plot.setSize({ width: box.clientWidth, height: chart.height });
  }).observe(box);
  at(`table-${chart.id}`).addEventListener("toggle", () => draw());
}

// The values under the cursor, or the newest.
function point(chart) {
  const { idx } = chart.plot?.cursor ?? {};
  const data = chart.plot?.data;
  if (!data) return;
  const last = samples.at(-1);
  const pointed = Number.isInteger(idx) && data[0][idx] !== undefined;
  chart.series.forEach((name, i) => {
    const value = pointed ? data[i + 1][idx] : last?.[name];
    const text = value === null || value === undefined ? NONE : chart.format(value);
    if (chart.values[i].textContent !== text) chart.values[i].textContent = text;
  });
  const time = pointed ? clock(data[0][idx] * 1000) : "";
  if (chart.time.textContent !== time) chart.time.textContent = time;
}

function draw() {
  for (const chart of CHARTS) {
    chart.plot.setData(columns(chart.series, spanSeconds));
    point(chart);
    if (at(`table-${chart.id}`).open) table(chart);
  }
}

// As many rows as there are, each the mean of a part of the time shown.
function table(chart) {
  const box = at(`table-${chart.id}`);
  if (!box.querySelector("table")) box.append(emptyTable(chart));
  const [now, step] = [Date.now(), spanSeconds * 1000 / TABLE_ROWS];
  const rows = [];
  for (let i = 0; i < TABLE_ROWS; i += 1) {
    const part = samples.filter((s) => now - s.t >= i * step && now - s.t < (i + 1) * step);
    if (part.length === 0) continue;
    const row = element("tr");
    cell(row, "th", `${clock(now - (i + 1) * step)} to ${clock(now - i * step)}`);
    for (const name of chart.series) {
      const known = part.map((s) => s[name]).filter((n) => n !== null);
      const mean = known.length === 0 ? NaN : known.reduce((a, b) => a + b, 0) / known.length;
      cell(row, "td", Number.isNaN(mean) ? NONE : chart.format(mean));
    }
    rows.push(row);
  }
  box.querySelector("tbody").replaceChildren(...rows);
}

function emptyTable(chart) {
  const table = element("table");
  const head = element("tr");
  cell(head, "th", "Mean from").scope = "col";
  for (const name of chart.names ?? chart.series) cell(head, "th", name).scope = "col";
  const thead = element("thead");
  thead.append(head);
  table.append(thead, element("tbody"));
  const scroll = element("div", undefined, "scroll");
  scroll.append(table);
  return scroll;
}

CHARTS.forEach(made);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
  CHARTS.forEach((chart) => chart.plot.redraw(false));
});
at("spans").addEventListener("change", (event) => {
  spanSeconds = Number(event.target.value);
  draw();
});
