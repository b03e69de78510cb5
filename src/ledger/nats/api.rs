//! Requests to JetStream's API, each with a timeout.

use std::time::Duration;

use async_nats::{Client, Request, RequestErrorKind};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::ledger::nats::message::{Foreign, Stored};
use crate::ledger::nats::protocol::{ApiError, Reply, StoredReply, StreamInfo, code};
use crate::order::HashKey;

/// How long a request waits for its reply.
pub(super) const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);

/// Why a request has no answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ApiFailure {
    /// Nobody serves the API: JetStream is off, or has no leader.
    #[error("no JetStream server responds")]
    NoResponders,
    #[error("the NATS server doesn't answer")]
    TimedOut,
    #[error("{0}")]
    Refused(ApiError),
    #[error("the NATS server's reply can't be read: {0}")]
    Unreadable(String),
    #[error("{0}")]
    Other(String),
}

impl ApiFailure {
    pub(super) fn code(&self) -> u32 {
        match self {
            Self::Refused(error) => error.err_code,
            _ => 0,
        }
    }
}

/// A connection, and the stream that the requests are about.
#[derive(Clone)]
pub(super) struct Api {
    pub(super) client: Client,
    pub(super) stream: String,
}

impl Api {
    /// Sends `payload` to `$JS.API.<verb>.<stream>`.
    pub(super) async fn request<R: DeserializeOwned>(
        &self,
        verb: &str,
        payload: &impl Serialize,
    ) -> Result<R, ApiFailure> {
        let subject = format!("$JS.API.{verb}.{}", self.stream);
        let payload = serde_json::to_vec(payload).expect("requests are plain JSON");
        let request = Request::new()
            .payload(payload.into())
            .timeout(Some(REQUEST_TIMEOUT));
        let sent = self.client.send_request(subject, request);
        // A timeout of our own, too: while there is no connection, the
        // request waits before the crate's own begins.
        let message = match tokio::time::timeout(REQUEST_TIMEOUT, sent).await {
            Ok(Ok(message)) => message,
            Ok(Err(error)) => {
                return Err(match error.kind() {
                    RequestErrorKind::TimedOut => ApiFailure::TimedOut,
                    RequestErrorKind::NoResponders => ApiFailure::NoResponders,
                    _ => ApiFailure::Other(error.to_string()),
                });
            }
            Err(_) => return Err(ApiFailure::TimedOut),
        };
        let reply: Reply<serde_json::Value> = serde_json::from_slice(&message.payload)
            .map_err(|error| ApiFailure::Unreadable(error.to_string()))?;
        if let Some(error) = reply.error {
            return Err(ApiFailure::Refused(error));
        }
        serde_json::from_value(reply.body.unwrap_or_default())
            .map_err(|error| ApiFailure::Unreadable(error.to_string()))
    }

    /// The stream as its leader describes it.
    pub(super) async fn stream_info(&self) -> Result<StreamInfo, ApiFailure> {
        self.request("STREAM.INFO", &serde_json::json!({})).await
    }

    /// The message of this subject, read by the leader: a follower may not have
    /// it yet. `None` if there is none.
    pub(super) async fn last_of_subject(
        &self,
        subject: &str,
        key: &HashKey,
    ) -> Result<Option<Result<Stored, Foreign>>, ApiFailure> {
        self.message(&serde_json::json!({ "last_by_subj": subject }), key)
            .await
    }

    /// The message with this sequence, likewise.
    pub(super) async fn with_sequence(
        &self,
        seq: u64,
        key: &HashKey,
    ) -> Result<Option<Result<Stored, Foreign>>, ApiFailure> {
        self.message(&serde_json::json!({ "seq": seq }), key).await
    }

    /// Whether the leader has a message with this sequence or a later one.
    pub(super) async fn has_from(&self, seq: u64) -> Result<bool, ApiFailure> {
        let query = serde_json::json!({ "seq": seq, "next_by_subj": ">" });
        match self.request::<StoredReply>("STREAM.MSG.GET", &query).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.code() == code::NO_MESSAGE_FOUND => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    async fn message(
        &self,
        query: &serde_json::Value,
        key: &HashKey,
    ) -> Result<Option<Result<Stored, Foreign>>, ApiFailure> {
        match self.request::<StoredReply>("STREAM.MSG.GET", query).await {
            Ok(reply) => Ok(Some(Stored::of_api(&reply.message, key))),
            Err(failure) if failure.code() == code::NO_MESSAGE_FOUND => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}
