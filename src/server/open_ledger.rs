//! Opening the ledger: recovery of what the last process left, and the dedupe
//! window filled from it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use signal_hook::consts::SIGXFSZ;

use crate::config;
use crate::config::Config;
use crate::dedupe::window::Known;
use crate::ledger::journal::{
    OpenError, Options, PendingFile, PendingOrder, Recovered, RecoveryProgress,
};
use crate::ledger::nats::NatsError;
use crate::ledger::{Archive, Ledger, LedgerId, Wake, journal, memory, nats};
use crate::order::{HashKey, decode_with};
use crate::pipeline::{Evaluated, Pipeline};
use crate::server::error::StartError;

/// How often a long recovery logs its progress.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Which ledger to open, and how.
pub(super) enum LedgerConfig {
    Memory { window: usize },
    Journal { dir: PathBuf, options: Options },
    Nats(Box<nats::Options>),
}

pub(super) struct OpenLedger {
    pub(super) ledger: Box<dyn Ledger<Evaluated>>,
    pub(super) archive: Arc<dyn Archive>,
    /// The pending orders of the last drain.
    pub(super) pending: Vec<PendingOrder<'static>>,
    /// Where a drain writes pending orders, if the ledger has such a file.
    pub(super) pending_file: Option<PendingFile>,
    /// What was found, for the log.
    pub(super) recovered: Option<Recovered>,
}

impl LedgerConfig {
    pub(super) fn of(config: &Config) -> Self {
        if let Some(options) = nats::Options::of(config) {
            return Self::Nats(Box::new(options));
        }
        match config.ledger {
            config::Ledger::Memory => Self::Memory {
                window: config.dedupe_window,
            },
            _ => Self::Journal {
                dir: config.data_dir.clone(),
                options: Options {
                    window: config.dedupe_window as u64,
                    retain_bytes: config.retain_bytes,
                    retain_age: config.retain_age,
                    expected: config.expect_ledger.map(LedgerId::from_digits),
                    ..Options::default()
                },
            },
        }
    }

    /// Opens it and fills the pipeline's window, whose ids are hashed with
    /// `key`.
    pub(super) fn open(
        &self,
        pipeline: &Arc<Pipeline>,
        key: &HashKey,
    ) -> Result<OpenLedger, StartError> {
        match self {
            Self::Memory { window } => Ok(open_memory(*window)),
            Self::Journal { dir, options } => Ok(open_journal(dir, options, pipeline, key)?),
            Self::Nats(options) => Ok(open_nats(options, pipeline, key)?),
        }
    }
}

fn open_memory(window: usize) -> OpenLedger {
    let (ledger, archive) = memory::open(window);
    tracing::warn!("the ledger is in memory: outcomes end with the process");
    OpenLedger {
        ledger: Box::new(ledger),
        archive: Arc::new(archive),
        pending: Vec::new(),
        pending_file: None,
        recovered: None,
    }
}

fn open_nats(
    options: &nats::Options,
    pipeline: &Arc<Pipeline>,
    key: &HashKey,
) -> Result<OpenLedger, NatsError> {
    let wake = |wake: fn(&Pipeline)| -> Wake {
        let pipeline = Arc::downgrade(pipeline);
        Arc::new(move || {
            if let Some(pipeline) = pipeline.upgrade() {
                wake(&pipeline);
            }
        })
    };
    let progress = Arc::downgrade(&pipeline.progress);
    let hooks = nats::Hooks {
        wake: wake(Pipeline::wake_committer),
        progress: wake(|pipeline| {
            pipeline.progress.notify();
            pipeline.wake_queues.flush();
        }),
        is_watched: Arc::new(move || progress.upgrade().is_some_and(|it| it.has_watchers())),
    };
    let (ledger, archive) = nats::open(options.clone(), key.clone(), hooks)?;
    Ok(OpenLedger {
        ledger,
        archive,
        pending: Vec::new(),
        pending_file: None,
        recovered: None,
    })
}

fn open_journal(
    dir: &Path,
    options: &Options,
    pipeline: &Arc<Pipeline>,
    key: &HashKey,
) -> Result<OpenLedger, OpenError> {
    let wake = {
        let pipeline = Arc::downgrade(pipeline);
        Arc::new(move || {
            if let Some(pipeline) = pipeline.upgrade() {
                pipeline.wake_committer();
            }
        })
    };
    survive_file_size_limit();
    let mut logged = Instant::now();
    let mut unreadable = 0_u64;
    let window = &pipeline.window;
    let prefetch = |id| window.prefetch(id);
    let opened = journal::open(
        dir,
        options,
        wake,
        &mut |progress| log_progress(progress, &mut logged),
        &mut |record| match decode_with(record.order.as_bytes(), key, prefetch) {
            Ok(order) => {
                let known = Known {
                    seq: record.seq,
                    status: record.status,
                    content: order.content_hash(),
                };
                window.insert(order.id_hash(), known, record.committed_at);
            }
            Err(_) => unreadable += 1,
        },
    )?;
    if opened.recovered.created {
        let dir = std::path::absolute(dir).unwrap_or_else(|_| dir.to_owned());
        let ledger = opened.recovered.ledger;
        tracing::warn!(%ledger, dir = %dir.display(), "a new ledger: the data directory was empty");
    }
    if unreadable > 0 {
        tracing::error!(
            unreadable,
            "orders in the journal are no orders to this version: their ids are not known to be taken"
        );
    }
    let metrics = opened.metrics.clone();
    let fresh = pipeline.metrics.journal.set(metrics).is_ok();
    debug_assert!(fresh, "a pipeline has one ledger");
    Ok(OpenLedger {
        ledger: Box::new(opened.ledger),
        archive: Arc::new(opened.archive),
        pending: opened.pending_orders,
        recovered: Some(opened.recovered),
        pending_file: Some(opened.pending_file),
    })
}

/// A write past the limit of file sizes (`ulimit -f`) ends a process by SIGXFSZ.
/// With a handler, which does nothing, it fails with EFBIG, and is treated as a
/// full disk is.
fn survive_file_size_limit() {
    if let Err(error) = signal_hook::flag::register(SIGXFSZ, Arc::default()) {
        tracing::warn!("can't handle SIGXFSZ: {error}; a limit of file sizes ends the process");
    }
}

fn log_progress(progress: RecoveryProgress, logged: &mut Instant) {
    if logged.elapsed() < PROGRESS_EVERY {
        return;
    }
    *logged = Instant::now();
    let percent = progress.bytes * 100 / progress.bytes_total.max(1);
    tracing::info!(percent, outcomes = progress.records, "recovering");
}

/// Logs what was recovered; all of it took so long.
pub(super) fn report(recovered: &Recovered, took: Duration) {
    let Recovered {
        ledger,
        created: _,
        rewound,
        records,
        last_seq,
        oldest_seq,
        torn_tail,
        took: _, // by the journal alone
    } = recovered;
    let took_ms = took.as_millis() as u64;
    tracing::info!(%ledger, records, last_seq, oldest_seq, took_ms, "recovered");
    if let Some(rewound) = rewound {
        tracing::warn!(%ledger, "the journal is not what it was: {rewound}; it has a new ledger id, so that readers notice");
    }
    if let Some(torn_tail) = torn_tail {
        tracing::warn!(
            file = torn_tail.file,
            offset = torn_tail.offset,
            bytes = torn_tail.bytes,
            "a batch whose outcomes were never published was cut off the end"
        );
    }
}
