//! The front ends: one way to say what clients do and receive, whatever protocol they speak.

pub(crate) mod grpc;
pub(crate) mod http;

use std::str::FromStr;
use std::sync::Arc;
use std::time::SystemTime;

use crate::harness::Service;

/// A protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq, cucumber::Parameter)]
#[param(name = "protocol", regex = "HTTP|gRPC")]
pub(crate) enum Protocol {
    Http,
    Grpc,
}

impl FromStr for Protocol {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        match name {
            "HTTP" => Ok(Self::Http),
            "gRPC" => Ok(Self::Grpc),
            _ => Err(format!("no front end speaks {name}")),
        }
    }
}

impl Protocol {
    /// This front_end of a running service.
    pub(crate) fn front_end(self, service: &Service) -> Arc<dyn FrontEnd> {
        match self {
            Self::Http => Arc::new(http::Http(service.http)),
            Self::Grpc => Arc::new(grpc::Grpc(service.grpc.expect("it was asked for"))),
        }
    }
}

/// Where clients come in.
pub(crate) trait FrontEnd: Send + Sync {
    /// Connects.
    fn connect(&self) -> Result<Box<dyn Connection>, Gone>;
}

/// A client's connection, on which it does one thing after the other.
pub(crate) trait Connection: Send {
    /// Hands in an order and waits for the answer.
    fn submit(&mut self, order: &Submission) -> Result<Answer, Gone>;

    /// Looks an order up.
    fn find(&mut self, id: &str) -> Result<Answer, Gone>;
}

/// Nobody listens, or the connection ended without an answer.
#[derive(Debug)]
pub(crate) struct Gone;

/// An order as a client hands it in.
#[derive(Clone, Debug)]
pub(crate) struct Submission {
    /// As JSON writes it: `"ord-1"`, or something that isn't valid.
    pub id: String,
    /// As JSON writes it: `100.50`, `"1e2"`, or something that isn't valid.
    pub value: String,
    /// The other members with their braces, `{"side":"buy"}`; empty: none.
    pub members: String,
    pub wait_for: WaitFor,
}

impl Submission {
    /// An order without other members, whose client waits as long as the service does.
    pub(crate) fn new(id: &str, value: &str) -> Self {
        Self {
            id: format!("\"{id}\""),
            value: value.to_owned(),
            members: String::new(),
            wait_for: WaitFor::Usual,
        }
    }
}

/// How long a client wants to wait for the outcome.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum WaitFor {
    /// It says nothing about it.
    Usual,
    /// Not at all.
    None,
    /// So many seconds at most.
    Seconds(u32),
}

/// What a client can be told of an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum AnswerKind {
    Processed,
    Failed,
    Queued,
    Invalid,
    Conflict,
    Full,
    Draining,
    /// The service can't have an outcome at the moment, for another reason.
    Unavailable,
    /// No such order is known.
    Unknown,
}

/// What a client was told.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub kind: AnswerKind,
    /// The protocol's own word for it: `201`, `RESOURCE_EXHAUSTED`.
    pub code: String,
    pub seq: Option<u64>,
    /// Marked as told before.
    pub duplicate: bool,
    /// In words for people.
    pub detail: String,
    /// The member of the order that is at fault.
    pub field: Option<String>,
    /// Whether sending the same order again is right, where the answer says so.
    pub retry_safe: Option<bool>,
    /// Seconds after which to come back.
    pub retry_after: Option<u32>,
    /// Where to look for the outcome later.
    pub location: Option<String>,
    /// What is kept of it, when it was looked up and has an outcome.
    pub record: Option<Record>,
    /// Everything that came, for whoever has to find out why a step failed.
    pub seen: String,
}

/// What is kept of an order.
#[derive(Clone, Debug)]
pub(crate) struct Record {
    /// The order as JSON, to the digit.
    pub order: String,
    pub accepted: SystemTime,
    pub committed: SystemTime,
}
