//! Opening the ledger: what the last process left is found again, and the
//! dedupe window is filled from it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config;
use crate::config::Config;
use crate::dedupe::window::Known;
use crate::ledger::journal::{OpenError, Options, PendingFile, PendingOrder, Progress, Recovered};
use crate::ledger::{Archive, Ledger, journal, memory};
use crate::order::{HashKey, decode_with};
use crate::pipeline::{Evaluated, Pipeline};

/// How often a long recovery says how far it has come.
const PROGRESS_EVERY: Duration = Duration::from_secs(2);

/// Which ledger to open, and how.
pub(super) enum Which {
    Memory { window: usize },
    Journal { dir: PathBuf, options: Options },
}

/// An open ledger.
pub(super) struct Opened {
    pub(super) ledger: Box<dyn Ledger<Evaluated>>,
    pub(super) archive: Arc<dyn Archive>,
    /// What the last drain kept.
    pub(super) kept: Vec<PendingOrder<'static>>,
    /// Where a drain keeps orders, if the ledger has such a place.
    pub(super) pending: Option<PendingFile>,
}

impl Which {
    pub(super) fn of(config: &Config) -> Self {
        match config.ledger {
            config::Ledger::Memory => Self::Memory {
                window: config.dedupe_window,
            },
            config::Ledger::Journal => Self::Journal {
                dir: config.data_dir.clone(),
                options: Options {
                    window: config.dedupe_window as u64,
                    retain_bytes: config.retain_bytes,
                    ..Options::default()
                },
            },
        }
    }

    /// Opens it and fills the pipeline's window, whose ids are hashed with `key`.
    pub(super) fn open(
        &self,
        pipeline: &Arc<Pipeline>,
        key: &HashKey,
    ) -> Result<Opened, OpenError> {
        match self {
            Self::Memory { window } => {
                let (ledger, archive) = memory::open(*window);
                tracing::warn!("the ledger is in memory: outcomes end with the process");
                Ok(Opened {
                    ledger: Box::new(ledger),
                    archive: Arc::new(archive),
                    kept: Vec::new(),
                    pending: None,
                })
            }
            Self::Journal { dir, options } => {
                let wake = {
                    let pipeline = Arc::downgrade(pipeline);
                    Arc::new(move || {
                        if let Some(pipeline) = pipeline.upgrade() {
                            pipeline.wake_committer();
                        }
                    })
                };
                let mut told = Instant::now();
                let mut unreadable = 0_u64;
                let prefetch = |id| pipeline.window.prefetch(id);
                let opened = journal::open(
                    dir,
                    options,
                    wake,
                    &mut |progress| tell(progress, &mut told),
                    &mut |record| match decode_with(record.order.as_bytes(), key, prefetch) {
                        Ok(order) => {
                            let known = Known {
                                seq: record.seq,
                                status: record.status,
                                content: order.content_hash(),
                            };
                            let window = &pipeline.window;
                            window.insert(order.id_hash(), known, record.committed_at);
                        }
                        Err(_) => unreadable += 1,
                    },
                )?;
                if unreadable > 0 {
                    tracing::error!(
                        unreadable,
                        "orders in the journal are no orders to this version: their ids are not known to be taken"
                    );
                }
                report(&opened.recovered);
                let figures = opened.health.metrics().clone();
                let fresh = pipeline.metrics.journal.set(figures).is_ok();
                debug_assert!(fresh, "a pipeline has one ledger");
                Ok(Opened {
                    ledger: Box::new(opened.ledger),
                    archive: Arc::new(opened.archive),
                    kept: opened.kept,
                    pending: Some(opened.pending),
                })
            }
        }
    }
}

fn tell(progress: Progress, told: &mut Instant) {
    if told.elapsed() < PROGRESS_EVERY {
        return;
    }
    *told = Instant::now();
    let percent = progress.bytes * 100 / progress.bytes_total.max(1);
    tracing::info!(percent, outcomes = progress.records, "recovering");
}

fn report(recovered: &Recovered) {
    let Recovered {
        ledger,
        records,
        last_seq,
        oldest_seq,
        cut,
        took,
    } = recovered;
    let took_ms = took.as_millis() as u64;
    tracing::info!(%ledger, records, last_seq, oldest_seq, took_ms, "recovered");
    if let Some(cut) = cut {
        tracing::warn!(
            file = cut.file,
            offset = cut.offset,
            bytes = cut.bytes,
            "a batch that nobody was told of was cut off the end"
        );
    }
}
