//! The results of a batch, in the order of its lines.
//!
//! A result is held as the bytes that will be sent, about 60 for a processed
//! order and [`RESULT_BYTES_MAX`] at most. Only lines that have no answer yet,
//! and those behind them, stand in a list, with their tickets; a ticket holds
//! an answer when there is one, and no order.

use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::task::Waker;

use crate::admission::{Admission, Ticket};
use crate::http::api::batch::reasons::{Reason, Reasons, STRETCH};
use crate::ledger::{Outcome, Status};
use crate::order::{ID_LEN_MAX, OrderId};
use crate::pipeline::answer::{Answer, Withdrawal};

/// What a `detail` takes at most, escapes and quotes included; longer ones are
/// cut.
const DETAIL_BYTES_MAX: usize = 256;
/// What a result takes at most.
pub(crate) const RESULT_BYTES_MAX: usize = 512;
const _: () = assert!(
    r#"{"line":,"id":"","status":"duplicate","outcome":"processed","seq":,"detail":}"#.len()
        + 2 * 20 // the two numbers
        + ID_LEN_MAX
        + DETAIL_BYTES_MAX
        < RESULT_BYTES_MAX
);

/// The results so far.
pub(crate) struct Results {
    /// What is final, from the first line on.
    text: Vec<u8>,
    /// What comes after it: the first has no answer, as far as was looked.
    open: VecDeque<Open>,
    /// Why orders failed that failed before.
    reasons: Reasons,
}

struct Open {
    line: u64,
    id: OrderId,
    state: State,
}

enum State {
    Waiting(Ticket),
    /// A duplicate of a committed order. Why that failed, if it did, is read.
    Known(Outcome),
    Told,
    Written(Box<[u8]>),
}

/// A result that needs no waiting.
#[derive(Clone, Copy)]
pub(crate) struct Verdict<'a> {
    pub line: u64,
    pub id: Option<&'a OrderId>,
    pub status: &'static str,
    pub detail: &'a str,
}

impl Results {
    pub(crate) fn new(admission: &Arc<Admission>, waker: &Waker) -> Self {
        Self {
            text: Vec::new(),
            open: VecDeque::new(),
            reasons: Reasons::new(admission, waker),
        }
    }

    /// Adds a line whose order is on its way.
    pub(crate) fn wait(&mut self, line: u64, id: OrderId, ticket: Ticket) {
        self.push(line, id, State::Waiting(ticket));
    }

    /// Adds a duplicate of a committed order.
    pub(crate) fn committed(&mut self, line: u64, id: OrderId, outcome: Outcome) {
        if self.open.is_empty() && outcome.status == Status::Processed {
            return committed(&mut self.text, line, &id, &outcome, true);
        }
        self.push(line, id, State::Known(outcome));
    }

    /// Adds a line that is invalid, rejected or in conflict.
    pub(crate) fn verdict(&mut self, verdict: Verdict<'_>) {
        if self.open.is_empty() {
            return verdict.write(&mut self.text);
        }
        let mut text = Vec::with_capacity(128);
        verdict.write(&mut text);
        // The id is in the text; any will do.
        let id = self.open[0].id;
        self.push(verdict.line, id, State::Written(text.into()));
    }

    fn push(&mut self, line: u64, id: OrderId, state: State) {
        self.open.push_back(Open { line, id, state });
    }

    /// Writes what is final, as far as the first line that is not; whether all
    /// are.
    pub(crate) fn settle(&mut self) -> bool {
        while let Some(Open { line, id, state }) = self.open.front_mut() {
            match state {
                State::Waiting(ticket) => match ticket.answer() {
                    Some(answer) => {
                        let duplicate = ticket.is_duplicate();
                        answered(&mut self.text, *line, id, &answer, duplicate);
                    }
                    None => return false,
                },
                State::Known(outcome) => {
                    if outcome.status == Status::Failed {
                        match self.reasons.of(outcome.seq) {
                            Reason::Known(reason) => outcome.reason = reason,
                            Reason::Coming => return false,
                            Reason::Unread => {
                                let first = outcome.seq;
                                self.reasons.read(self.stretch(first));
                                continue; // it may be at hand
                            }
                        }
                    }
                    committed(&mut self.text, *line, id, outcome, true);
                }
                State::Told => queued(&mut self.text, *line, id),
                State::Written(text) => self.text.extend_from_slice(text),
            }
            self.open.pop_front();
        }
        true
    }

    /// The sequences to read from `first` on: as far as lines soon to come ask
    /// for them.
    fn stretch(&self, first: u64) -> Range<u64> {
        let seqs = first..first + STRETCH;
        let soon = self.open.iter().take(STRETCH as usize);
        let wanted = soon.filter_map(|open| match &open.state {
            State::Known(outcome) if outcome.status == Status::Failed => Some(outcome.seq),
            _ => None,
        });
        let last = wanted.filter(|seq| seqs.contains(seq)).max();
        first..last.unwrap_or(first) + 1
    }

    /// Whether a line waits for no more than the reason of its failure.
    pub(crate) fn is_reading(&self) -> bool {
        self.reasons.is_reading()
    }

    /// Reads no more reasons: what is not known by now is left out.
    pub(crate) fn stop_reading(&mut self) {
        self.reasons.stop();
    }

    /// Tells every line that still waits that it is queued. Those that ended
    /// this very moment keep waiting: their answer is about to be there.
    pub(crate) fn ack_queued(&mut self) {
        for open in &mut self.open {
            if let State::Waiting(ticket) = &open.state
                && ticket.answer().is_none()
                && ticket.ack_queued()
            {
                open.state = State::Told;
            }
        }
    }

    /// The text, once all are final.
    pub(crate) fn take(&mut self) -> Vec<u8> {
        debug_assert!(self.open.is_empty(), "nothing waits any more");
        std::mem::take(&mut self.text)
    }
}

impl Verdict<'_> {
    fn write(self, out: &mut Vec<u8>) {
        begin(out, self.line, self.id, self.status);
        detail(out, self.detail);
        out.extend_from_slice(b"}\n");
    }
}

fn answered(out: &mut Vec<u8>, line: u64, id: &OrderId, answer: &Answer, duplicate: bool) {
    let why = match answer {
        Answer::Committed(outcome) => return committed(out, line, id, outcome, duplicate),
        Answer::Withdrawn(why) => why,
    };
    begin(out, line, Some(id), "rejected");
    detail(
        out,
        match why {
            Withdrawal::Retry(reason) => reason,
            Withdrawal::Drain => "the process ended before the order had an outcome",
            Withdrawal::Ledger => "the ledger failed; whether it holds the order is not known",
        },
    );
    out.extend_from_slice(b"}\n");
}

fn committed(out: &mut Vec<u8>, line: u64, id: &OrderId, outcome: &Outcome, duplicate: bool) {
    if duplicate {
        begin(out, line, Some(id), "duplicate");
        out.extend_from_slice(b",\"outcome\":\"");
        out.extend_from_slice(outcome.status.as_str().as_bytes());
        out.push(b'"');
    } else {
        begin(out, line, Some(id), outcome.status.as_str());
    }
    out.extend_from_slice(b",\"seq\":");
    number(out, outcome.seq);
    if let (Status::Failed, Some(reason)) = (outcome.status, &outcome.reason) {
        detail(out, reason);
    }
    out.extend_from_slice(b"}\n");
}

fn queued(out: &mut Vec<u8>, line: u64, id: &OrderId) {
    begin(out, line, Some(id), "queued");
    out.extend_from_slice(b"}\n");
}

fn begin(out: &mut Vec<u8>, line: u64, id: Option<&OrderId>, status: &str) {
    out.extend_from_slice(b"{\"line\":");
    number(out, line);
    if let Some(id) = id {
        out.extend_from_slice(b",\"id\":\"");
        out.extend_from_slice(id.as_bytes()); // nothing in an id needs escaping
        out.push(b'"');
    }
    out.extend_from_slice(b",\"status\":\"");
    out.extend_from_slice(status.as_bytes());
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

fn detail(out: &mut Vec<u8>, text: &str) {
    const CUT: &str = "…";
    out.extend_from_slice(b",\"detail\":");
    // What stays inside even if there is nothing in it but six-byte escapes,
    // or so much of it as does once it is escaped.
    let mut bytes = 2 + CUT.len();
    let fits = text.char_indices().find(|(_, character)| {
        bytes += match character {
            '"' | '\\' => 2,
            '\0'..='\x1f' => 6,
            _ => character.len_utf8(),
        };
        bytes > DETAIL_BYTES_MAX
    });
    let result = match fits {
        None => serde_json::to_writer(out, text),
        Some((end, _)) => serde_json::to_writer(out, &[&text[..end], CUT].concat()),
    };
    result.expect("a Vec takes all bytes and every str is a JSON string");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(text: &str) -> OrderId {
        OrderId::parse(text).unwrap()
    }

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        assert!(out.len() <= RESULT_BYTES_MAX, "{}", out.len());
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_kind_of_line() {
        let outcome = |status, reason: Option<&str>| {
            Answer::Committed(Outcome {
                seq: 17,
                status,
                reason: reason.map(Into::into),
            })
        };
        let line = |answer: &Answer, duplicate| {
            written(|out| answered(out, 1, &id("a"), answer, duplicate))
        };
        let processed = outcome(Status::Processed, None);
        let failed = outcome(Status::Failed, Some("no \"go\""));
        assert_eq!(
            line(&processed, false),
            "{\"line\":1,\"id\":\"a\",\"status\":\"processed\",\"seq\":17}\n"
        );
        assert_eq!(
            line(&failed, false),
            "{\"line\":1,\"id\":\"a\",\"status\":\"failed\",\"seq\":17,\"detail\":\"no \\\"go\\\"\"}\n"
        );
        assert_eq!(
            line(&processed, true),
            "{\"line\":1,\"id\":\"a\",\"status\":\"duplicate\",\"outcome\":\"processed\",\"seq\":17}\n"
        );
        assert_eq!(
            line(&outcome(Status::Failed, None), true),
            "{\"line\":1,\"id\":\"a\",\"status\":\"duplicate\",\"outcome\":\"failed\",\"seq\":17}\n"
        );
        let retry = Answer::Withdrawn(Withdrawal::Retry("busy".into()));
        assert_eq!(
            line(&retry, false),
            "{\"line\":1,\"id\":\"a\",\"status\":\"rejected\",\"detail\":\"busy\"}\n"
        );
        assert_eq!(
            written(|out| queued(out, 2, &id("b"))),
            "{\"line\":2,\"id\":\"b\",\"status\":\"queued\"}\n"
        );
    }

    #[test]
    fn the_longest_line_stays_inside_its_bound() {
        for text in ["\0", "\"", "\\", "x", "é", "🦀", "\u{2028}"] {
            let reason = text.repeat(5000 / text.len());
            let longest = OrderId::parse(&"i".repeat(ID_LEN_MAX)).unwrap();
            let answer = Answer::Committed(Outcome {
                seq: u64::MAX,
                status: Status::Failed,
                reason: Some(reason.as_str().into()),
            });
            let line = written(|out| answered(out, u64::MAX, &longest, &answer, true));
            let json: serde_json::Value = serde_json::from_str(&line).unwrap();
            let kept = json["detail"].as_str().unwrap().strip_suffix('…').unwrap();
            assert!(!kept.is_empty() && reason.starts_with(kept), "{line}");
        }
        let short = written(|out| detail(out, "fits"));
        assert_eq!(short, ",\"detail\":\"fits\"");
    }
}
