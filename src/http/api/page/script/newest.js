// The newest outcomes.

const NEWEST = 10;
// Characters of an order; the rest is cut off, so that each row is one line.
const SHOWN_MAX = 200;
const TITLE_MAX = 2000;
let shownSeq = null;
// The second HTTP engine has no feed.
let hasFeed = true;

async function newest(s, signal) {
  at("newest-none").hidden = s.lastSeq !== 0;
  if (s.lastSeq === null || s.lastSeq === shownSeq || !hasFeed) return;
  const after = Math.max(s.lastSeq - NEWEST, (s.oldestSeq ?? 1) - 1, 0);
  const response = await ask(`orders?after=${after}&limit=${NEWEST}`, { signal });
  if (!response.ok) {
    hasFeed = response.status !== 501;
    put("newest-note", hasFeed ? `status ${response.status}` : "not on this HTTP engine");
    return;
  }
  const lines = (await response.text()).split("\n").filter((line) => line !== "");
  shownSeq = s.lastSeq;
  at("newest-table").hidden = lines.length === 0;
  put("newest-note", "");
  at("newest").replaceChildren(...lines.reverse().map(outcome));
}

function outcome(text) {
  const line = JSON.parse(text);
  const row = element("tr");
  cell(row, "th", count(line.seq));
  cell(row, "td", line.id, "left id").title = line.id;
  cell(row, "td", line.status, `left ${line.status === "failed" ? "is-failed" : ""}`);
  cell(row, "td", clock(Date.parse(line.committed_at)));
  // Its own text, whose numbers are exact. The id has a column already.
  const whole = text.slice(text.indexOf('"order":') + 8, -1);
  const id = `{"id":"${line.id}",`;
  const order = whole.startsWith(id) ? `{${whole.slice(id.length)}` : whole;
  const shown = line.detail ?? order;
  const last = cell(row, "td", shown.slice(0, SHOWN_MAX), "left rest");
  last.title = shown.slice(0, TITLE_MAX);
  return row;
}
