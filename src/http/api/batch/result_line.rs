//! The result of one line of a batch, as the bytes that are sent.

use crate::admission::wording;
use crate::ledger::{Outcome, Status};
use crate::order::{ID_LEN_MAX, OrderId};
use crate::pipeline::answer::Answer;

/// What a `detail` takes at most, escapes and quotes included; longer ones are
/// cut.
const DETAIL_BYTES_MAX: usize = 256;
/// What a result takes at most.
pub(super) const RESULT_BYTES_MAX: usize = 512;
const _: () = assert!(
    r#"{"line":,"id":"","status":"duplicate","outcome":"processed","seq":,"detail":}"#.len()
        + 2 * 20 // the two numbers
        + ID_LEN_MAX
        + DETAIL_BYTES_MAX
        < RESULT_BYTES_MAX
);

/// A result that is known without waiting.
#[derive(Clone, Copy)]
pub(super) struct LineResult<'a> {
    pub(super) line: u64,
    pub(super) id: Option<&'a OrderId>,
    pub(super) status: &'static str,
    pub(super) detail: &'a str,
}

impl LineResult<'_> {
    pub(super) fn write(self, out: &mut Vec<u8>) {
        begin(out, self.line, self.id, self.status);
        detail(out, self.detail);
        out.extend_from_slice(b"}\n");
    }
}

pub(super) fn answered(
    out: &mut Vec<u8>,
    line: u64,
    id: &OrderId,
    answer: &Answer,
    duplicate: bool,
) {
    match answer {
        Answer::Committed(outcome) => committed(out, line, id, outcome, duplicate),
        Answer::AlreadyThere(outcome) => committed(out, line, id, outcome, true),
        Answer::OtherContent => LineResult {
            line,
            id: Some(id),
            status: "conflict",
            detail: wording::conflict(true),
        }
        .write(out),
        Answer::Withdrawn(why) => LineResult {
            line,
            id: Some(id),
            status: "rejected",
            detail: wording::withdrawn(why),
        }
        .write(out),
    }
}

pub(super) fn committed(
    out: &mut Vec<u8>,
    line: u64,
    id: &OrderId,
    outcome: &Outcome,
    duplicate: bool,
) {
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

pub(super) fn queued(out: &mut Vec<u8>, line: u64, id: &OrderId) {
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
    // As much of it as stays within the bound once it is escaped.
    let mut bytes = 2 + CUT.len();
    let cut = text.char_indices().find(|(_, character)| {
        bytes += match character {
            '"' | '\\' => 2,
            '\0'..='\x1f' => 6,
            _ => character.len_utf8(),
        };
        bytes > DETAIL_BYTES_MAX
    });
    let result = match cut {
        None => serde_json::to_writer(out, text),
        Some((end, _)) => serde_json::to_writer(out, &[&text[..end], CUT].concat()),
    };
    result.expect("a Vec takes all bytes and every str is a JSON string");
}

#[cfg(test)]
mod tests {
    use crate::pipeline::answer::Withdrawal;

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
