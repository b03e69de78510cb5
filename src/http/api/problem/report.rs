//! One occurrence of a problem, on its way to a reply.

use std::borrow::Cow;

use serde::Serialize;

use crate::http::api::problem::kind::Problem;
use crate::http::wire::reply::{Body, PROBLEM_JSON, Reply};

/// One occurrence of a [`Problem`].
#[derive(Clone, Debug)]
#[must_use]
pub(crate) struct Report<'a> {
    pub(super) document: Document<'a>,
    retry_after: Option<u32>,
    allow: Option<&'static str>,
    challenge: Option<&'static str>,
    extra: Vec<(&'static str, String)>,
}

/// The body, in the order in which it is sent: what every problem has, then
/// what only some have.
#[derive(Clone, Debug, Serialize)]
pub(super) struct Document<'a> {
    #[serde(rename = "type")]
    type_uri: &'static str,
    title: &'static str,
    pub(super) status: u16,
    detail: Cow<'a, str>,
    retry_safe: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    parameter: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    outcome: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    duplicate: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest_seq: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_seq: Option<u64>,
}

impl Problem {
    /// Reports an occurrence of this problem; `detail` says in a sentence what
    /// happened.
    pub(crate) fn report<'a>(self, detail: impl Into<Cow<'a, str>>) -> Report<'a> {
        Report {
            document: Document {
                type_uri: self.type_uri(),
                title: self.title(),
                status: self.status(),
                detail: detail.into(),
                retry_safe: self.retry_safe(),
                field: None,
                parameter: None,
                id: None,
                outcome: None,
                seq: None,
                duplicate: None,
                oldest_seq: None,
                last_seq: None,
            },
            retry_after: None,
            allow: None,
            challenge: None,
            extra: Vec::new(),
        }
    }
}

impl<'a> Report<'a> {
    /// Replaces the status (429 for a full queue).
    pub(crate) fn status(mut self, status: u16) -> Self {
        self.document.status = status;
        self
    }

    /// Replaces the default of `retry_safe`.
    pub(crate) fn retry_safe(mut self, retry_safe: bool) -> Self {
        self.document.retry_safe = retry_safe;
        self
    }

    /// Adds `Retry-After`, in whole seconds.
    pub(crate) fn retry_after(mut self, seconds: u32) -> Self {
        self.retry_after = Some(seconds);
        self
    }

    /// Adds `Allow`, for 405.
    pub(crate) fn allow(mut self, methods: &'static str) -> Self {
        self.allow = Some(methods);
        self
    }

    /// Adds `WWW-Authenticate`, which a 401 must have.
    pub(crate) fn challenge(mut self, challenge: &'static str) -> Self {
        self.challenge = Some(challenge);
        self
    }

    /// Adds further fields.
    pub(crate) fn fields(mut self, fields: impl Into<Vec<(&'static str, String)>>) -> Self {
        self.extra = fields.into();
        self
    }

    /// Names the order.
    pub(crate) fn id(mut self, id: &'a str) -> Self {
        self.document.id = Some(id);
        self
    }

    /// Names the member of the order that is at fault.
    pub(crate) fn field(mut self, field: &'a str) -> Self {
        self.document.field = Some(field);
        self
    }

    /// Names the query parameter that is at fault.
    pub(crate) fn parameter(mut self, parameter: &'a str) -> Self {
        self.document.parameter = Some(parameter);
        self
    }

    /// Adds the outcome that the order has.
    pub(crate) fn outcome(mut self, outcome: &'static str, seq: u64) -> Self {
        self.document.outcome = Some(outcome);
        self.document.seq = Some(seq);
        self
    }

    /// Says that it is the outcome of an earlier submission.
    pub(crate) fn duplicate(mut self) -> Self {
        self.document.duplicate = Some(true);
        self
    }

    pub(crate) fn oldest_seq(mut self, seq: u64) -> Self {
        self.document.oldest_seq = Some(seq);
        self
    }

    pub(crate) fn last_seq(mut self, seq: u64) -> Self {
        self.document.last_seq = Some(seq);
        self
    }

    /// The reply: problem JSON, and the fields asked for.
    pub(crate) fn reply(self) -> Reply {
        let status = self.document.status;
        let mut body = Vec::with_capacity(192 + self.document.detail.len());
        serde_json::to_writer(&mut body, &self.document)
            .expect("a Vec takes all bytes, and texts and numbers are JSON");
        body.push(b'\n');
        Reply {
            content_type: Some(PROBLEM_JSON),
            retry_after: self.retry_after,
            allow: self.allow,
            www_authenticate: self.challenge,
            is_replay: self.document.duplicate.is_some(),
            extra: self.extra,
            body: Body::Owned(body),
            ..Reply::empty(status)
        }
    }
}

/// A path or a name as a problem shows it: not more of it than helps.
pub(crate) fn shown(text: &str) -> &str {
    const BYTES_MAX: usize = 64;
    &text[..text.floor_char_boundary(BYTES_MAX)]
}
