//! The read side's thread half: requests from the archive, answered by the
//! stream.
//!
//! A page of the feed is one request for a batch, which any replica may serve.
//! A replica may lag behind, so a page that ends before the last sequence known
//! here is checked with the leader, and read again if the leader has more.
//! Sequences that are missing are somebody else's doing, or were pruned: which
//! of the two, the stream's first sequence tells.

use std::sync::Arc;
use std::time::Duration;

use async_nats::StatusCode;
use futures_util::StreamExt;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::{sleep, timeout};

use crate::ledger::nats::api::{Api, ApiFailure, REQUEST_TIMEOUT};
use crate::ledger::nats::message::{self, Foreign, Stored};
use crate::ledger::nats::position::Position;
use crate::ledger::{Find, Read, ReadError, ReadRange, Record};
use crate::order::HashKey;
use crate::sync::crash;
use crate::sync::log_limit::LogLimit;

/// Reads under way at a time.
const READS_MAX: usize = 16;
/// How often a page is read again because a replica lags.
const LAG_ATTEMPTS: u32 = 10;
const LAG_PAUSE: Duration = Duration::from_millis(20);

/// A reply, handed over on the NATS thread.
pub(super) type Answer<R> = Box<dyn FnOnce(R) + Send>;

pub(super) enum Request {
    /// The outcome with this sequence.
    Seq(u64, Answer<Read>),
    /// The outcome of this id.
    Id(Box<str>, Answer<Find>),
    /// The outcomes after a sequence.
    Range {
        after: u64,
        limit: usize,
        bytes_max: usize,
        reply: Answer<ReadRange>,
    },
}

#[derive(Clone)]
pub(super) struct Reader {
    pub(super) api: Api,
    pub(super) key: HashKey,
    pub(super) position: Arc<Position>,
}

impl Reader {
    /// Serves requests until the archive is gone.
    pub(super) async fn run(self, mut requests: mpsc::Receiver<Request>) {
        let permits = Arc::new(Semaphore::new(READS_MAX));
        while let Some(request) = requests.recv().await {
            let permit = permits.clone().acquire_owned().await;
            let reader = self.clone();
            tokio::spawn(async move {
                let _guard = crash::guard();
                reader.serve(request).await;
                drop(permit);
            });
        }
    }

    async fn serve(&self, request: Request) {
        match request {
            Request::Seq(seq, reply) => reply(self.seq(seq).await),
            Request::Id(id, reply) => reply(self.id(&id).await),
            Request::Range {
                after,
                limit,
                bytes_max,
                reply,
            } => reply(self.range(after, limit, bytes_max).await),
        }
    }

    async fn seq(&self, seq: u64) -> Read {
        match self
            .api
            .with_sequence(seq, &self.key)
            .await
            .map_err(failed)?
        {
            Some(Ok(stored)) => Ok(Arc::new(stored.record)),
            Some(Err(foreign)) => Err(ReadError::Failed(no_outcome(foreign))),
            None => {
                self.refresh().await?;
                let oldest = self.position.oldest();
                Err(ReadError::Gone { seq, oldest })
            }
        }
    }

    async fn id(&self, id: &str) -> Find {
        let subject = message::subject(id);
        let found = self.api.last_of_subject(&subject, &self.key).await;
        match found.map_err(failed)? {
            Some(Ok(stored)) => {
                self.position.reaches(stored.record.outcome.seq);
                Ok(Some(Arc::new(stored.record)))
            }
            Some(Err(foreign)) => Err(ReadError::Failed(no_outcome(foreign))),
            None => Ok(None),
        }
    }

    async fn range(&self, after: u64, limit: usize, bytes_max: usize) -> ReadRange {
        if after >= self.position.last() {
            self.refresh().await?;
            let last_seq = self.position.last();
            if after > last_seq {
                return Err(ReadError::Ahead { last_seq });
            }
            if after == last_seq {
                return Ok(Vec::new());
            }
        }
        let start = after.saturating_add(1);
        let (mut from, mut end) = (start, None);
        let mut lagging = 0;
        loop {
            let batch = self.batch(from, limit, bytes_max).await.map_err(failed)?;
            if from == start
                && let Some(first) = batch.first_seq.filter(|first| *first > start)
            {
                self.refresh().await?;
                self.check_kept(start)?;
                static LIMIT: LogLimit = LogLimit::new();
                LIMIT.log(|suppressed| {
                    tracing::debug!(
                        suppressed,
                        from,
                        first,
                        "sequences are missing in the stream"
                    );
                });
            }
            if !batch.records.is_empty() {
                return Ok(batch.records);
            }
            // Nothing, or nothing but messages of others: then it looks as far
            // as the leader's last sequence. Readers rely on it: after an empty
            // page they wait for what comes behind the last sequence known
            // before it.
            from = batch.last_seq.map_or(from, |last| last.saturating_add(1));
            let end = match end {
                Some(end) => end,
                None => {
                    self.refresh().await?;
                    *end.insert(self.position.last())
                }
            };
            if from > end {
                return Ok(Vec::new());
            }
            if !self.api.has_from(from).await.map_err(failed)? {
                self.check_kept(start)?; // the last ones are missing
                return Ok(Vec::new());
            }
            if batch.last_seq.is_none() {
                lagging += 1;
                if lagging > LAG_ATTEMPTS {
                    return Err(ReadError::Busy);
                }
                sleep(LAG_PAUSE).await;
            }
        }
    }

    /// Whether what begins with this sequence was pruned, as far as is known.
    fn check_kept(&self, seq: u64) -> Result<(), ReadError> {
        let oldest = self.position.oldest();
        if seq < oldest {
            return Err(ReadError::Gone { seq, oldest });
        }
        Ok(())
    }

    /// Asks the leader where the stream begins and ends.
    async fn refresh(&self) -> Result<(), ReadError> {
        let info = self.api.stream_info().await.map_err(failed)?;
        self.position.update(info.state);
        Ok(())
    }

    /// What one replica has from this sequence on.
    async fn batch(&self, from: u64, limit: usize, bytes_max: usize) -> Result<Batch, ApiFailure> {
        let Api { client, stream } = &self.api;
        let other = |error: &dyn std::fmt::Display| ApiFailure::Other(error.to_string());
        let inbox = client.new_inbox();
        let replies = timeout(REQUEST_TIMEOUT, client.subscribe(inbox.clone()));
        let replies = replies.await.map_err(|_| ApiFailure::TimedOut)?;
        let mut replies = replies.map_err(|error| other(&error))?;
        let query = serde_json::json!({ "seq": from, "batch": limit, "max_bytes": bytes_max });
        let subject = format!("$JS.API.DIRECT.GET.{stream}");
        let sent = client.publish_with_reply(subject, inbox, query.to_string().into());
        match timeout(REQUEST_TIMEOUT, sent).await {
            Ok(sent) => sent.map_err(|error| other(&error))?,
            Err(_) => return Err(ApiFailure::TimedOut),
        }
        let mut batch = Batch::default();
        let mut bytes = 0;
        loop {
            let message = match timeout(REQUEST_TIMEOUT, replies.next()).await {
                Ok(Some(message)) => message,
                Ok(None) | Err(_) => return Err(ApiFailure::TimedOut),
            };
            if let Some(status) = message.status {
                return match status {
                    StatusCode::NO_RESPONDERS => Err(ApiFailure::NoResponders),
                    // The end of the batch, or nothing there.
                    _ => Ok(batch),
                };
            }
            if batch.is_full {
                continue; // up to the end
            }
            let seq = message::sequence(&message);
            match Stored::of_direct(&message, &self.key) {
                Ok(stored) => {
                    bytes += stored.record.text_bytes();
                    if !batch.records.is_empty() && bytes > bytes_max {
                        batch.is_full = true;
                        continue;
                    }
                    batch.records.push(Arc::new(stored.record));
                }
                Err(foreign) => {
                    static LIMIT: LogLimit = LogLimit::new();
                    LIMIT.log(|suppressed| tracing::warn!(suppressed, "{}", no_outcome(foreign)));
                }
            }
            batch.first_seq = batch.first_seq.or(seq);
            batch.last_seq = seq.or(batch.last_seq);
        }
    }
}

/// What a replica has answered.
#[derive(Default)]
struct Batch {
    records: Vec<Arc<Record>>,
    /// The sequences of the first and the last message, whosever they are.
    first_seq: Option<u64>,
    last_seq: Option<u64>,
    /// The next record didn't fit.
    is_full: bool,
}

fn failed(failure: ApiFailure) -> ReadError {
    ReadError::Failed(failure.to_string())
}

fn no_outcome(Foreign { seq, why }: Foreign) -> String {
    format!("the message with sequence {seq} is no outcome: {why}")
}
