//! The HTTP front end.

use std::net::SocketAddr;

use serde_json::Value;

use crate::front_ends::{
    Answer, AnswerKind, Connection, FrontEnd, Gone, Record, Submission, WaitFor,
};
use crate::harness::{Client, Reply, submit};

/// The order port.
pub(crate) struct Http(pub SocketAddr);

impl FrontEnd for Http {
    fn connect(&self) -> Result<Box<dyn Connection>, Gone> {
        let client = Client::try_to(self.0).map_err(|_| Gone)?;
        Ok(Box::new(client))
    }
}

impl Connection for Client {
    fn submit(&mut self, order: &Submission) -> Result<Answer, Gone> {
        let Submission {
            id,
            value,
            members,
            wait_for,
        } = order;
        let mut body = format!(r#"{{"id":{id},"value":{value}"#);
        match members.strip_prefix('{').map(str::trim_start) {
            None | Some("}") => body.push('}'),
            Some(others) => body.extend([",", others]),
        }
        let prefer = match wait_for {
            WaitFor::Usual => String::new(),
            WaitFor::None => "Prefer: respond-async\r\n".to_owned(),
            WaitFor::Seconds(seconds) => format!("Prefer: wait={seconds}\r\n"),
        };
        let asked = submit(&prefer, &body);
        self.try_send(asked).map_err(|_| Gone)?;
        self.try_reply().map(|reply| answer(&reply)).ok_or(Gone)
    }

    fn find(&mut self, id: &str) -> Result<Answer, Gone> {
        let asked = format!("GET /orders/{id} HTTP/1.1\r\nHost: orders\r\n\r\n");
        self.try_send(asked).map_err(|_| Gone)?;
        self.try_reply().map(|reply| answer(&reply)).ok_or(Gone)
    }
}

/// What a reply says of an order. It has to say it in full: status, media type
/// and members agree.
pub(crate) fn answer(reply: &Reply) -> Answer {
    let seen = format!("{reply:?}\n{}", reply.text());
    let json = reply.json();
    let media_type = reply.header("content-type");
    let kind = if media_type == Some("application/problem+json") {
        let problem = reply.problem(reply.status);
        let kind = problem["type"].as_str().unwrap_or_default();
        match (kind.trim_start_matches("/problems/"), reply.status) {
            ("order-failed", 422) if problem["outcome"] == "failed" => AnswerKind::Failed,
            ("invalid-order", 400) => AnswerKind::Invalid,
            ("id-conflict", 409) => AnswerKind::Conflict,
            ("queue-full", 503 | 429) => AnswerKind::Full,
            ("draining", 503) => AnswerKind::Draining,
            ("unknown-order", 404) => AnswerKind::Unknown,
            (_, 503) => AnswerKind::Unavailable,
            _ => panic!("not an answer to an order: {seen}"),
        }
    } else {
        assert_eq!(media_type, Some("application/json"), "{seen}");
        let duplicate = json["duplicate"] == true;
        match (json["status"].as_str(), reply.status) {
            (Some("processed"), 201) if !duplicate => AnswerKind::Processed,
            (Some("processed"), 200) if duplicate || json.get("order").is_some() => {
                AnswerKind::Processed
            }
            (Some("failed"), 200) if json.get("order").is_some() => AnswerKind::Failed,
            (Some("queued"), 202 | 200) => AnswerKind::Queued,
            _ => panic!("not an answer to an order: {seen}"),
        }
    };
    let text = |member: &str| json[member].as_str().map(str::to_owned);
    Answer {
        kind,
        code: reply.status.to_string(),
        seq: json["seq"].as_u64(),
        duplicate: json["duplicate"] == true,
        detail: text("detail").unwrap_or_default(),
        field: text("field"),
        retry_safe: json["retry_safe"].as_bool(),
        retry_after: reply.header("retry-after").map(|_| reply.retry_after()),
        record: json.get("order").map(|_| record(reply, &json)),
        location: reply.header("location").map(str::to_owned),
        seen,
    }
}

/// What a reply with a record shows; the order as text, since numbers would be
/// rounded.
fn record(reply: &Reply, json: &Value) -> Record {
    let (_, order) = reply.text().split_once(r#","order":"#).expect("found");
    let time = |name: &str| {
        let text = json[name].as_str().expect("a record has its times");
        humantime::parse_rfc3339(text).expect("a time in UTC")
    };
    Record {
        order: order.strip_suffix("}\n").expect("the end").to_owned(),
        accepted: time("accepted_at"),
        committed: time("committed_at"),
    }
}
