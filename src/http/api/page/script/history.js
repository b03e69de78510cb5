// What the charts show: a sample a second, for an hour at most. Kept in this
// tab, so that a reload doesn't begin anew.

const HISTORY = "orders-history-2";
const HISTORY_MS = 3600000;
const SAMPLES_MAX = 3700;
// Two samples further apart than this are not joined by a line, and no rate is
// taken across them.
const GAP_MS = 5000;
// What a sample has beside its time.
const COLUMNS = ["accepted", "processed", "failed", "rejected", "depth", "p50", "p99"];

// Samples { t, ... }, the oldest first. A value may be null: not known.
let samples = restored();

function restored() {
  try {
    const kept = JSON.parse(sessionStorage.getItem(HISTORY) ?? "[]");
    const isTime = (t) => Number.isFinite(t) && t <= Date.now() && Date.now() - t < HISTORY_MS;
    return kept.slice(-SAMPLES_MAX).filter((row) => isTime(row?.[0])).map(([t, ...values]) => {
      const value = (i) => Number.isFinite(values[i]) ? values[i] : null;
      return Object.fromEntries([["t", t], ...COLUMNS.map((name, i) => [name, value(i)])]);
    });
  } catch {
    return []; // nothing is stored here, or nothing that is known
  }
}

addEventListener("pagehide", () => {
  const short = (n) => n === null ? null : Number(n.toPrecision(4));
  const rows = samples.map((s) => [s.t, ...COLUMNS.map((name) => short(s[name]))]);
  try {
    sessionStorage.setItem(HISTORY, JSON.stringify(rows));
  } catch {
    // The browser stores nothing, or not so much.
  }
});

function remember(sample) {
  // The clock was set back: what is later now is unknown.
  while (samples.length > 0 && samples.at(-1).t >= sample.t) samples.pop();
  samples.push(sample);
  const old = samples.findIndex((s) => sample.t - s.t < HISTORY_MS);
  samples.splice(0, Math.max(old, samples.length - SAMPLES_MAX));
}

// The columns of uPlot: times in seconds, then the values of these names. A row
// of nulls stands in each gap, so that nothing is drawn across it.
function columns(names, seconds) {
  const from = Date.now() - seconds * 1000;
  const data = [[], ...names.map(() => [])];
  const row = (t, value) => {
    data[0].push(t / 1000);
    names.forEach((name, i) => data[i + 1].push(value(name)));
  };
  let last = null;
  for (const sample of samples) {
    if (sample.t < from - GAP_MS) continue;
    if (last !== null && sample.t - last > GAP_MS) row((last + sample.t) / 2, () => null);
    row(sample.t, (name) => sample[name]);
    last = sample.t;
  }
  // Nothing came lately: the gap is shown to this moment.
  if (last !== null && Date.now() - last > GAP_MS) row(last + 1000, () => null);
  return data;
}
