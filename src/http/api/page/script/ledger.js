// Where orders come in, and where outcomes go.

function ledgerCard(s) {
  const kinds = { journal: "journal on disk", memory: "memory: ends with the process", nats: "NATS JetStream" };
  put("ledger-kind", kinds[s.ledger] ?? s.ledger ?? "");
  const seq = s.lastSeq === null ? NONE : s.lastSeq === 0 ? "none yet" : count(s.lastSeq);
  const empty = s.lastSeq === null || s.oldestSeq === null || s.oldestSeq > s.lastSeq;
  pairs("ledger-facts", [
    ["Last sequence", seq],
    ["Oldest kept", empty ? NONE : count(s.oldestSeq)],
    ...(s.journal === null ? [] : journalPairs(s.journal)),
    ...(s.nats === null ? [] : natsPairs(s.nats, s.elsewhere ?? {})),
    ["Waiting to commit", count(s.commitDepth)],
    ["Ledger id", s.ledgerId === null ? NONE : `${s.ledgerId.slice(0, 8)}…`],
  ]);
}

// Space for a next segment, which is 64 MiB as a rule, and some more.
const LITTLE_SPACE = 256 << 20;

function journalPairs(journal) {
  const batch = journal.batch.mean;
  return [
    ["On disk", bytes(journal.bytes)],
    ["Segments with outcomes", journal.segments === null ? null : count(journal.segments)],
    ["Disk free", journal.free === null ? null : bytes(journal.free), journal.free < LITTLE_SPACE ? "is-bad" : ""],
    ["Commit p50", latency(journal.commit.p50 ?? NaN)],
    ["Commit p99", latency(journal.commit.p99 ?? NaN)],
    ["Orders a commit", Number.isFinite(batch) ? batch.toFixed(1) : NONE],
  ];
}

function natsPairs(nats, elsewhere) {
  const server = nats.cluster ? `${nats.server} in ${nats.cluster}` : nats.server;
  return [
    ["Server", nats.connected ? server : `not connected, last ${server}`, nats.connected ? "" : "is-bad"],
    ["Stream", nats.stream],
    ["Replicas up to date", `${nats.replicas_current} of ${nats.replicas}`, nats.replicas_current < nats.replicas ? "is-bad" : ""],
    ["Leader", nats.replicas > 1 ? nats.leader ?? "none" : null, nats.leader === null ? "is-bad" : ""],
    ["This instance", `${nats.instance.slice(0, 8)}…`],
    ["Committed by others before", count(elsewhere.same ?? 0)],
    ["with other content", count(elsewhere.other ?? 0)],
  ];
}

function connectionsCard(s) {
  put("transport", location.protocol === "https:" ? "TLS to this page" : "no TLS to this page");
  pairs("connection-facts", [
    ["HTTP connections", ...ofLimit(s.connections, s.connectionsMax)],
    ["Batches in flight", count(s.batches)],
    ["Orders of batches, streams", count(s.bulkOrders)],
    ...(s.grpc === null ? [["gRPC", "off"]] : grpcPairs(s.grpc)),
  ]);
}

// As the alert has it.
function ofLimit(open, max) {
  return [`${count(open)} of ${count(max)}`, open > 0.9 * max ? "is-bad" : ""];
}

function grpcPairs(grpc) {
  const ended = Object.values(grpc.calls);
  // A call that its client took back is no failure: a follower has no other end.
  const good = ended.reduce((n, codes) => n + (codes.ok ?? 0) + (codes.cancelled ?? 0), 0);
  const all = ended.reduce((n, codes) => n + sum(codes), 0);
  return [
    ["gRPC connections", ...ofLimit(grpc.connections, grpc.connectionsMax)],
    ["gRPC calls open", count(sum(grpc.open))],
    ["Streams of orders", count(grpc.open.submit_stream ?? 0)],
    ["Followers", count(grpc.open.follow ?? 0)],
    ["gRPC calls ended", count(all)],
    ["gRPC calls refused or failed", count(all - good)],
  ];
}
