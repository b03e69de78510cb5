//! The replies in what a client received, and what makes them well formed (RFC
//! 9110, RFC 9112).

use httparse::Status;

use crate::http::server::connection::fuzzing::requests::Requests;
use crate::http::wire::reply::CONTINUE;

const HEADERS_MAX: usize = 64;

#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) status: u16,
    fields: Vec<(String, Vec<u8>)>,
    body: Vec<u8>,
    /// It is the connection's last.
    pub(super) closes: bool,
}

/// Reads replies to these requests, all of which are well formed.
pub(super) fn replies(mut bytes: &[u8], requests: &Requests) -> Vec<Reply> {
    let mut replies = Vec::new();
    while !bytes.is_empty() {
        let request = requests.answered_by(replies.len());
        let request = request.expect("a reply to no request");
        if let Some(behind) = bytes.strip_prefix(CONTINUE) {
            assert!(request.expects_continue, "100 Continue not asked for");
            bytes = behind;
            assert!(!bytes.starts_with(CONTINUE), "100 Continue twice");
            continue;
        }
        let (reply, len) = reply(bytes, request.is_head);
        bytes = &bytes[len..];
        assert!(
            reply.closes || !request.closes,
            "the client asked for a close"
        );
        assert!(!reply.closes || bytes.is_empty(), "behind the last reply");
        replies.push(reply);
    }
    replies
}

fn reply(bytes: &[u8], is_to_head: bool) -> (Reply, usize) {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let parsed = head.parse(bytes);
    let Ok(Status::Complete(head_len)) = parsed else {
        panic!("no head of a reply: {parsed:?}");
    };
    let status = head.code.expect("it is complete");
    assert_eq!(head.version, Some(1));
    assert!((200..600).contains(&status) && status != 500, "{status}");
    let fields = head.headers.iter();
    let mut fields: Vec<_> = fields
        .map(|field| (field.name.to_ascii_lowercase(), field.value.to_vec()))
        .collect();
    let once = |name: &str| {
        let mut of_name = fields.iter().filter(|(found, _)| found == name);
        let first = of_name.next().map(|(_, value)| &**value);
        assert!(of_name.next().is_none(), "{name} twice");
        first.map(|value| str::from_utf8(value).expect("of text"))
    };
    assert!(once("date").is_some(), "no Date");
    assert_eq!(once("transfer-encoding"), None);
    let closes = once("connection") == Some("close");
    let length = once("content-length").map(|length| length.parse().expect("a length"));
    let body_len = match (status, length) {
        (204 | 304, length) => {
            assert_eq!(length, None, "{status} has no content");
            0
        }
        // One that ends the connection may have come before the method.
        (_, Some(length)) if is_to_head => match bytes.len() - head_len {
            left if closes && left == length => length,
            _ => 0,
        },
        (_, length) => length.expect("its length is known"),
    };
    let body = bytes[head_len..].get(..body_len);
    let body = body.expect("as long as it says").to_vec();
    // What depends on the time.
    fields.retain(|(name, _)| name != "date" && name != "retry-after");
    let reply = Reply {
        status,
        fields,
        body,
        closes,
    };
    (reply, head_len + body_len)
}

impl Reply {
    /// Whether these are the same, but for what depends on the time.
    pub(super) fn is_like(&self, other: &Self) -> bool {
        self.status == other.status
            && self.closes == other.closes
            && (self.body == other.body || self.masked() == other.masked())
            && self.named() == other.named()
    }

    /// Whether an order is acknowledged without an outcome in it.
    pub(super) fn has_queued(&self) -> bool {
        contains(&self.body, br#""status":"queued""#)
    }

    fn named(&self) -> Vec<&str> {
        self.fields.iter().map(|(name, _)| &**name).collect()
    }

    /// The body, without the times in it. Figures are left out altogether.
    fn masked(&self) -> Vec<u8> {
        let mut masked = Vec::new();
        let mut text = &*self.body;
        if [&b"uptime"[..], b"# TYPE"]
            .iter()
            .any(|part| contains(text, part))
        {
            return masked;
        }
        const MARK: &[u8] = b"ted_at\":\"";
        while let Some(at) = text.windows(MARK.len()).position(|part| part == MARK) {
            let (before, behind) = text.split_at(at + MARK.len());
            masked.extend_from_slice(before);
            let value = behind.iter().take_while(|byte| **byte != b'"').count();
            text = &behind[value..];
        }
        masked.extend_from_slice(text);
        masked
    }
}

fn contains(text: &[u8], part: &[u8]) -> bool {
    text.windows(part.len()).any(|found| found == part)
}
