// The figures of one answer, card by card.

let previous = null;

function show(now, s) {
  const rates = rateCards(now, s);
  remember({ t: now, ...rates, depth: s.depth, ...newestPercentiles });
  put("version", s.version ?? NONE);
  put("ledger", s.ledger || NONE);
  put("uptime", span(s.uptime));
  queueCard(s);
  stagesCard(s);
  put("latency-p99", latency(newestPercentiles.p99 ?? NaN));
  ledgerCard(s);
  connectionsCard(s);
  reasonsCard(s);
  bearersCard(s);
  showState(now, s);
}

function rateCards(now, s) {
  // A counter that went back is a process that started anew.
  const restarted = previous !== null && (s.uptime < previous.uptime || RATES.some((r) => s.totals[r] < previous.totals[r]));
  const comparable = previous !== null && !restarted && now - previous.t <= GAP_MS;
  const perSecond = (n, before) => comparable ? Math.max(0, n - before) * 1000 / (now - previous.t) : null;
  const rates = Object.fromEntries(RATES.map((r) => [r, perSecond(s.totals[r], previous?.totals[r])]));
  for (const r of RATES) {
    put(`rate-${r}`, rate(rates[r] ?? NaN));
    put(`total-${r}`, count(s.totals[r]));
  }
  put("total-duplicate", counted(s.duplicate, "duplicate"));
  processCard(s, {
    cores: s.cpu === null ? null : perSecond(s.cpu, previous?.cpu),
    accepted: rates.accepted,
    wakes: perSecond(s.wakes, previous?.wakes),
  });
  previous = { t: now, uptime: s.uptime, totals: s.totals, cpu: s.cpu, wakes: s.wakes };
  return rates;
}

function queueCard(s) {
  put("queue-depth", count(s.depth));
  put("queue-capacity", count(s.capacity));
  put("queue-bytes", bytes(s.bytes));
  const share = s.capacity > 0 ? Math.min(s.depth / s.capacity, 1) : 0;
  at("meter-fill").style.width = `${(share * 100).toFixed(1)}%`;
  const meter = at("meter");
  meter.classList.toggle("full", share >= 0.9);
  meter.setAttribute("aria-valuemax", s.capacity);
  meter.setAttribute("aria-valuenow", s.depth);
  meter.setAttribute("aria-valuetext", `${s.depth} of ${s.capacity} slots`);
}

function stagesCard(s) {
  const rows = STAGES.filter((name) => s.stages[name] !== undefined).map((name) => {
    const row = element("tr", undefined, name === "total" ? "sum" : "");
    cell(row, "th", name);
    const shown = recent?.stages[name] ?? s.stages[name];
    for (const q of ["p50", "p99", "p999"]) cell(row, "td", latency(shown[q] ?? NaN));
    return row;
  });
  at("stages").replaceChildren(...rows);
  put("stages-span", recent === null ? "since the start" : `last ${recent.seconds} s`);
}

function processCard(s, { cores, accepted, wakes }) {
  put("workers", s.workers === null ? "" : counted(s.workers, "worker"));
  const files = s.files === null ? null : s.filesMax === null ? count(s.files) : `${count(s.files)} of ${count(s.filesMax)}`;
  pairs("process-facts", [
    ["CPU", cores === null ? NONE : `${cores.toFixed(2)} cores`],
    ["CPU an order", cores === null || !accepted ? NONE : latency(cores / accepted)],
    ["Worker wake-ups", wakes === null ? NONE : `${rate(wakes)}/s`],
    ["Memory", s.memory === null ? null : bytes(s.memory)],
    ["Threads", s.threads === null ? null : count(s.threads)],
    ["Open files", files],
    ["Oldest id a retry meets", s.windowAge === null ? null : span(s.windowAge)],
  ]);
}

const REASONS = {
  full: "Queue full", draining: "While draining", starting: "While starting", ledger: "Ledger not available",
  invalid: "Not valid", conflict: "Id taken by other content", too_large: "Too large", unauthorized: "Not allowed",
  timeout: "Too slow", rate_limited: "Over the client's rate",
};
const WITHDRAWN = { retry: "Given back by the processor", drain: "Drain deadline", ledger: "Ledger failed" };

function reasonsCard(s) {
  const named = [
    ...Object.entries(s.rejected).map(([name, n]) => [REASONS[name] ?? name, n]),
    ...Object.entries(s.withdrawn).map(([name, n]) => [`Withdrawn: ${WITHDRAWN[name] ?? name}`, n]),
  ].filter(([, n]) => n > 0).sort((a, b) => b[1] - a[1]);
  at("reasons-card").hidden = named.length === 0;
  pairs("reasons", named.map(([name, n]) => [name, count(n)]));
}

// Clients by token, or all addresses as one; those with most requests first.
const BEARERS_MAX = 20;

function bearersCard(s) {
  const all = Object.entries(s.clients).sort((a, b) => b[1].requests - a[1].requests);
  at("bearers-card").hidden = all.length === 0;
  at("bearers").replaceChildren(...all.slice(0, BEARERS_MAX).map(([name, client]) => {
    const row = element("tr");
    cell(row, "th", name);
    for (const n of [client.requests, client.refused?.rate, client.refused?.inflight, client.in_flight]) cell(row, "td", count(n ?? 0));
    return row;
  }));
  at("bearers-more").hidden = all.length <= BEARERS_MAX;
  put("bearers-more", `and ${all.length - BEARERS_MAX} with fewer requests`);
}
