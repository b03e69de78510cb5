// The loop: an answer a second, while somebody looks.

const POLL_MS = 1000;
// Above the service's own worst answer, below a viewer's patience.
const TIMEOUT_MS = 3000;

let timer = null;
let request = null;
let lastSeen = null;
let latest = null;

// What to do after a round; throws where there is no answer.
async function round(signal, isMine) {
  const response = await ask("stats", { signal });
  if (response.status === 401 || (response.status === 403 && token !== null)) {
    if (isMine()) wanted(response.status);
    // Until there is another token, nothing is asked.
    return false;
  }
  at("token-form").hidden = true;
  if (!response.ok) {
    lost(`The service answers /stats with status ${response.status}.`);
    return true;
  }
  const stats = read(await response.json());
  stats.why = stats.ready ? null : await reason(stats, signal);
  if (!isMine()) return false;
  latest = stats;
  lastSeen = Date.now();
  try {
    await scrape(signal);
    await newest(stats, signal);
  } catch (error) {
    // A drain answers once; what it said is shown.
    if (!stats.draining) throw error;
  }
  if (isMine()) show(Date.now(), stats);
  return true;
}

async function poll() {
  const mine = new AbortController();
  const isMine = () => request === mine;
  request = mine;
  const limit = setTimeout(() => mine.abort(), TIMEOUT_MS);
  let goesOn = true;
  try {
    goesOn = await round(mine.signal, isMine);
  } catch (error) {
    if (isMine()) lost(error instanceof SyntaxError ? "The service's answer to /stats is not JSON." : "The service gives no answer.");
  }
  clearTimeout(limit);
  // The tab was hidden meanwhile: another poll goes on from here, or none.
  if (!isMine()) return;
  draw();
  if (goesOn) timer = setTimeout(poll, POLL_MS);
}

// Nobody looks: nothing is asked. Figures go on with a gap in the lines.
function follow() {
  clearTimeout(timer);
  request?.abort();
  request = null;
  previous = null;
  fullSeen = null;
  if (document.hidden) {
    state("idle", "Paused");
  } else {
    poll();
  }
}

document.addEventListener("visibilitychange", follow);
follow();
