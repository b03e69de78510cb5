// Percentiles of the last seconds and of the last minute, from the difference
// of two scrapes of /metrics.

const STAGES = ["queue", "process", "commit", "total"];
const SCRAPE_MS = 5000;
const MINUTE_MS = 60000;

let scrapes = [];
// Of the last minute, by stage; null until there are two scrapes.
let recent = null;
// Of all orders between the last two scrapes: null without an order.
let newestPercentiles = { p50: null, p99: null };

// Upper bounds and cumulative counts of each stage.
function buckets(text) {
  const stages = {};
  const line = /^order_stage_seconds_bucket\{stage="(\w+)",le="([^"]+)"\} (\d+)/gm;
  for (const [, stage, le, n] of text.matchAll(line)) {
    (stages[stage] ??= []).push({ le: le === "+Inf" ? Infinity : Number(le), n: Number(n) });
  }
  return stages;
}

// As Prometheus' histogram_quantile: linear inside a bucket.
function quantile(q, now, then) {
  const counts = now.map((b, i) => ({ le: b.le, n: b.n - (then?.[i]?.n ?? 0) }));
  const all = counts.at(-1)?.n ?? 0;
  if (all <= 0) return NaN;
  const i = counts.findIndex((b) => b.n >= q * all);
  const [low, below] = i === 0 ? [0, 0] : [counts[i - 1].le, counts[i - 1].n];
  if (counts[i].le === Infinity) return low;
  return low + (counts[i].le - low) * (q * all - below) / (counts[i].n - below);
}

async function scrape(signal) {
  const now = Date.now();
  if (scrapes.length > 0 && now - scrapes.at(-1).t < SCRAPE_MS) return;
  const response = await ask("metrics", { signal });
  if (!response.ok) return;
  const stages = buckets(await response.text());
  const before = scrapes.at(-1);
  const all = (scraped) => scraped.total?.at(-1)?.n ?? 0;
  // Counts that went back are those of a process that started anew.
  if (before && all(stages) < all(before.stages)) scrapes = [];
  scrapes.push({ t: now, stages });
  scrapes = scrapes.filter((s) => now - s.t <= MINUTE_MS + SCRAPE_MS);
  sumUp(now, stages);
}

function sumUp(now, stages) {
  const orNull = (n) => Number.isFinite(n) ? n : null;
  recent = null;
  newestPercentiles = { p50: null, p99: null };
  if (scrapes.length < 2) return;
  const [first, last] = [scrapes[0], scrapes.at(-2)];
  if (now - last.t <= 3 * SCRAPE_MS && stages.total) {
    const of = (q) => orNull(quantile(q, stages.total, last.stages.total));
    newestPercentiles = { p50: of(0.5), p99: of(0.99) };
  }
  recent = { seconds: Math.round((now - first.t) / 1000), stages: {} };
  for (const stage of STAGES.filter((name) => stages[name])) {
    const of = (q) => quantile(q, stages[stage], first.stages[stage]);
    recent.stages[stage] = { p50: of(0.5), p99: of(0.99), p999: of(0.999) };
  }
}
