// The one place that knows the shape of /stats.

const RATES = ["accepted", "processed", "failed", "rejected"];

const sum = (counts) => Object.values(counts ?? {}).reduce((a, b) => a + b, 0);

function read(stats) {
  return {
    version: stats.build_info?.version,
    ledger: stats.ledger,
    ledgerId: stats.ledger_id ?? null,
    uptime: stats.uptime_seconds,
    ready: stats.ready === true,
    draining: stats.draining === true,
    totals: {
      accepted: stats.orders_accepted ?? 0,
      processed: stats.orders_processed ?? 0,
      failed: stats.orders_failed ?? 0,
      rejected: sum(stats.orders_rejected),
    },
    rejected: stats.orders_rejected ?? {},
    withdrawn: stats.orders_withdrawn ?? {},
    duplicate: stats.orders_duplicate ?? 0,
    elsewhere: stats.orders_already_there ?? null,
    depth: stats.queue_depth ?? 0,
    capacity: stats.queue_capacity ?? 0,
    bytes: stats.queue_bytes ?? 0,
    bulkOrders: stats.bulk_orders ?? 0,
    commitDepth: stats.commit_queue_depth ?? 0,
    stages: stats.order_stage_seconds ?? {},
    lastSeq: stats.last_seq ?? null,
    oldestSeq: stats.oldest_seq ?? null,
    windowAge: stats.dedupe_window_age_seconds ?? null,
    journal: stats.journal_bytes === undefined ? null : {
      bytes: stats.journal_bytes,
      segments: stats.journal_segments ?? null,
      free: stats.journal_free_bytes ?? null,
      commit: stats.journal_commit_seconds ?? {},
      batch: stats.journal_batch_orders ?? {},
    },
    nats: stats.nats ?? null,
    connections: stats.http_connections ?? 0,
    connectionsMax: stats.http_connections_max ?? 0,
    batches: stats.http_batches ?? 0,
    grpc: stats.grpc_connections === undefined ? null : {
      connections: stats.grpc_connections,
      connectionsMax: stats.grpc_connections_max ?? 0,
      open: stats.grpc_open_calls ?? {},
      calls: stats.grpc_calls ?? {},
    },
    clients: stats.clients ?? {},
    workers: stats.workers ?? null,
    wakes: stats.worker_wakes ?? 0,
    cpu: stats.process_cpu_seconds_total ?? null,
    memory: stats.process_resident_memory_bytes ?? null,
    threads: stats.process_threads ?? null,
    files: stats.process_open_fds ?? null,
    filesMax: stats.process_max_fds ?? null,
  };
}
