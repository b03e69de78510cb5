// The word at the top, and the sentence below it.

// How long after the last order that met a full queue the page says so.
const OVERLOAD_MS = 10000;
let fullSince = null;
let fullSeen = null;

function state(kind, word, sentence) {
  const pill = at("state");
  pill.className = `state ${kind}`;
  put("state", word);
  const banner = at("banner");
  banner.className = `banner ${kind}`;
  banner.hidden = !sentence;
  // role="alert" speaks on change: the text must not change every second.
  put("banner", sentence ?? "");
  document.title = kind === "good" ? "order-processor" : `${word} – order-processor`;
}

// Whether orders were refused lately since the queue was full.
function overloaded(now, s) {
  const full = s.rejected.full ?? 0;
  if (fullSeen !== null && full > fullSeen) fullSince = now;
  fullSeen = full;
  return fullSince !== null && now - fullSince < OVERLOAD_MS;
}

function showState(now, s) {
  const full = overloaded(now, s);
  if (s.ready && full) {
    state("warn", "Overloaded", "The queue is full: orders that find no slot are refused at once, with a time to try again.");
  } else if (s.ready) {
    state("good", "Ready");
  } else if (s.why.draining) {
    state("warn", "Draining", "The service is shutting down: it finishes the orders it holds and takes no new ones.");
  } else if (s.why.starting) {
    state("warn", "Starting", "The service recovers its ledger and takes no orders yet.");
  } else {
    state("warn", "Not ready", `The service takes no orders at present${s.why.text ? `: ${s.why.text}` : "."}`);
  }
  at("main").classList.remove("stale");
  at("main").hidden = false;
}

// The service doesn't answer; `latest` is what it said last.
function lost(why) {
  previous = null;
  at("main").classList.add("stale");
  const since = lastSeen === null ? "" : ` The figures below are from ${clock(lastSeen)}.`;
  const drained = latest !== null && !latest.ready && latest.why.draining;
  // In a drain the port takes no more connections: it may go on, or be over.
  state("bad", drained ? "Draining or ended" : "Unreachable",
    `${drained ? "The service was draining and takes no more connections: it ends when the orders it holds are done." : why}${since} Trying again every second.`);
}

// The service wants a token, or another one.
function wanted(status) {
  previous = null;
  at("main").classList.add("stale");
  at("token-form").hidden = false;
  at("main").hidden = lastSeen === null;
  const why = status === 403 ? "The token is not for reading."
    : token === null ? "The figures are shown to bearers of a token." : "The token is not known to the service.";
  setToken(null);
  state("idle", "Token needed", why);
}
