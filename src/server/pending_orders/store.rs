//! A drain saves what has no outcome yet.

use std::collections::HashSet;
use std::io;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use crate::dedupe::claims::Claim;
use crate::ledger::journal::PendingFile;
use crate::pipeline::Pipeline;
use crate::pipeline::pending_feeder::PendingFeeder;
use crate::server::pending_orders::save::{Save, orders};
use crate::server::pending_orders::shared_file::SharedFile;

/// The pause between two rounds of a drain that look for orders to be saved: at
/// first, and after some that found none.
const ROUND_MIN: Duration = Duration::from_millis(1);
const ROUND_MAX: Duration = Duration::from_millis(25);
/// The same when the file can't be written, and at most.
const ROUND_AFTER_FAILURE: Duration = Duration::from_millis(500);
/// How long the end of a drain waits for the disk before it says so.
const PATIENCE: Duration = Duration::from_secs(1);
/// How often the ledger is asked for what it has no space for.
const GIVE_BACK_EVERY: Duration = Duration::from_secs(1);

/// The pending file of this process, if the ledger has one, and the feeder of
/// acknowledged orders.
#[derive(Default)]
pub(in crate::server) struct PendingStore {
    file: Option<Arc<SharedFile>>,
    /// The orders that are in the file, or were.
    saved: HashSet<Claim>,
    /// Some are being added to it.
    under_way: Option<Save>,
    /// Runs until the end, once the ledger is open.
    feeder: Option<PendingFeeder>,
}

/// How a round of a drain went.
enum Round {
    /// There are some to be saved, which has begun.
    Begun,
    UnderWay,
    /// All are saved.
    Nothing,
    /// It has ended, after so long.
    Saved(Duration),
    Failed,
}

/// Acknowledged orders without an outcome, at the end of the process.
#[derive(Default)]
pub(in crate::server) struct Saved {
    /// In the pending file.
    pub(in crate::server) kept: usize,
    pub(in crate::server) lost: usize,
    /// The ledger has a pending file.
    pub(in crate::server) durable: bool,
}

impl PendingStore {
    /// Starts to feed acknowledged orders: claimed pending ones, whose file is
    /// removed when all have an outcome, and those that are tried again.
    /// `claims` are those of the pending ones.
    pub(in crate::server) fn start(
        pipeline: &Arc<Pipeline>,
        file: Option<PendingFile>,
        claims: HashSet<Claim>,
    ) -> io::Result<Self> {
        let file = file.map(|file| Arc::new(SharedFile::new(file, !claims.is_empty())));
        if file.is_some() {
            pipeline.pending_queue.set_kept();
        }
        let finished = file.clone();
        let feeder = pipeline.feed_pending(move || {
            finished.inspect(|file| file.remove_finished());
            tracing::info!("all pending orders have their outcome");
        })?;
        Ok(Self {
            file,
            saved: claims,
            under_way: None,
            feeder: Some(feeder),
        })
    }

    /// Waits until no order is inside or `deadline` has passed; returns which.
    /// Meanwhile every acknowledged order is in the pending file, and none is
    /// acknowledged before it is. A disk that hangs doesn't hold up the end.
    pub(in crate::server) fn wait_empty(&mut self, pipeline: &Pipeline, deadline: Instant) -> bool {
        let Some(file) = self.file.clone() else {
            return pipeline.gate.wait_empty(deadline);
        };
        pipeline.claims.defer_acks();
        // They are in the file since the start.
        (self.saved.iter()).for_each(|claim| pipeline.claims.set_saved(*claim));
        let mut pause = ROUND_MIN;
        let mut requested: Option<Instant> = None;
        loop {
            let began = Instant::now();
            if requested.is_none_or(|at| began - at >= GIVE_BACK_EVERY) {
                requested = Some(began);
                pipeline.given_back.request();
                pipeline.wake_committer();
            }
            pause = match self.round(pipeline, &file) {
                Round::Begun => ROUND_MIN,
                Round::UnderWay | Round::Nothing => ROUND_MAX.min(2 * pause),
                // A file that takes long to write is not written all the time.
                Round::Saved(took) => took.clamp(ROUND_MIN, ROUND_AFTER_FAILURE),
                Round::Failed => ROUND_AFTER_FAILURE,
            };
            if pipeline.gate.wait_empty(deadline.min(began + pause)) {
                return true;
            }
            if Instant::now() >= deadline {
                return false;
            }
        }
    }

    /// Begins to save the acknowledged orders that are not in the file, or
    /// looks whether that has ended.
    fn round(&mut self, pipeline: &Pipeline, file: &Arc<SharedFile>) -> Round {
        if let Some(save) = self.under_way.take_if(|save| save.has_ended()) {
            let took = save.begun.elapsed();
            return match self.end_save(pipeline, file, save) {
                Ok(()) => Round::Saved(took),
                Err(()) => Round::Failed,
            };
        }
        if self.under_way.is_some() {
            return Round::UnderWay;
        }
        // Before they are looked for: what is found then has no outcome up to
        // this sequence.
        let after_seq = pipeline.settled_seq();
        let found = pipeline.find_unsaved(&self.saved);
        // Where retention was faster, the next round finds a later sequence.
        if found.is_empty() || !file.pin(after_seq) {
            return Round::Nothing;
        }
        match Save::begin(file.clone(), after_seq, found) {
            Ok(save) => self.under_way = Some(save),
            Err(error) => {
                tracing::error!("can't start a thread to write the pending file: {error}");
                return Round::Failed;
            }
        }
        Round::Begun
    }

    /// Waits for as long as the disk takes: what is acknowledged is not given
    /// up while it may still be saved.
    fn finish_save(&mut self, pipeline: &Pipeline, file: &SharedFile) {
        let Some(save) = self.under_way.take() else {
            return;
        };
        let patience = Instant::now() + PATIENCE;
        while !save.has_ended() && Instant::now() < patience {
            thread::park_timeout(ROUND_MIN);
        }
        if !save.has_ended() {
            tracing::error!(
                orders = save.jobs.len(),
                "the disk doesn't answer: waiting to save orders acknowledged as queued; a second signal gives them up"
            );
        }
        let _ = self.end_save(pipeline, file, save); // logged; `save` goes on
    }

    fn end_save(&mut self, pipeline: &Pipeline, file: &SharedFile, save: Save) -> Result<(), ()> {
        let Save { jobs, thread, .. } = save;
        let written = thread.join().expect("a panic ends the process");
        written.map_err(|error| file.failing(&error))?;
        tracing::info!(
            saved = jobs.len(),
            "orders acknowledged as queued are in the pending file until they have an outcome"
        );
        for job in &*jobs {
            self.saved.insert(job.claim);
            // Its submitter may be told now.
            pipeline.claims.set_saved(job.claim);
        }
        Ok(())
    }

    /// Leaves in the pending file the acknowledged orders without an outcome,
    /// after the pipeline was emptied. `missed` of them were given up by the
    /// force drain.
    pub(in crate::server) fn save(mut self, pipeline: &Pipeline, mut missed: Vec<Claim>) -> Saved {
        if let Some(file) = self.file.clone() {
            self.finish_save(pipeline, &file);
        }
        if let Some(feeder) = self.feeder.take() {
            feeder.stop();
        }
        let (mut pending, mut with_ledger) = pipeline.take_pending();
        missed.append(&mut with_ledger);
        // No id is pending twice; but a file that said so would be refused.
        let mut ids = HashSet::new();
        pending.retain(|job| ids.insert(*job.order.id()));
        let count = pending.len();
        let Some(file) = &self.file else {
            return Saved {
                lost: count + missed.len(),
                ..Saved::default()
            };
        };
        // Those that nobody could take out, but that were saved before.
        let missed_in_file = missed.iter().filter(|it| self.saved.contains(it)).count();
        let mut saved = Saved {
            kept: count + missed_in_file,
            lost: missed.len() - missed_in_file,
            durable: true,
        };
        // None of them was committed up to here.
        let after_seq = pipeline.settled_seq();
        let written = if missed_in_file > 0 {
            // Only the file has them.
            pending.retain(|job| !self.saved.contains(&job.claim));
            file.add(after_seq, orders(&pending))
        } else {
            file.replace(after_seq, orders(&pending))
        };
        if let Err(error) = written {
            // The file is as it was.
            pending.retain(|job| !self.saved.contains(&job.claim));
            let lost = pending.len();
            saved.kept -= lost;
            saved.lost += lost;
            tracing::error!(
                "{error}: {lost} orders that were acknowledged as queued are lost; free disk space and make the data directory writable"
            );
        }
        saved
    }
}
