//! The requests in a client's bytes, found by other means than the server's: it
//! answers no more than these.

use std::borrow::Cow;

use httparse::Status;

const HEADERS_MAX: usize = 256;
/// Before a request line.
const EMPTY_LINES_MAX: usize = 4;

/// A request that is complete.
#[derive(Clone, Debug, Default)]
pub(super) struct Request {
    pub(super) is_head: bool,
    /// The client sends nothing behind it.
    pub(super) closes: bool,
    pub(super) expects_continue: bool,
    /// Orders in it, at most.
    pub(super) orders_max: usize,
}

/// What the client's bytes are.
#[derive(Debug)]
pub(super) struct Requests {
    pub(super) complete: Vec<Request>,
    /// What follows them: a part of a request, or what is none.
    pub(super) rest: Option<Rest>,
}

#[derive(Debug)]
pub(super) struct Rest {
    /// Of what can be seen of it.
    pub(super) request: Request,
    /// Whether it could be a request if more came.
    pub(super) may_become_one: bool,
}

impl Requests {
    pub(super) fn of(mut bytes: &[u8]) -> Self {
        let mut complete = Vec::new();
        let rest = loop {
            let mut empty_lines = 0;
            while let Some(behind) = bytes.strip_prefix(b"\r\n") {
                bytes = behind;
                empty_lines += 1;
            }
            if empty_lines > EMPTY_LINES_MAX || (empty_lines > 0 && bytes.is_empty()) {
                break Some(Rest {
                    request: Request::default(),
                    may_become_one: empty_lines <= EMPTY_LINES_MAX,
                });
            }
            if bytes.is_empty() {
                break None;
            }
            match first(bytes) {
                Ok((request, len)) => {
                    complete.push(request);
                    bytes = &bytes[len..];
                }
                Err(rest) => break Some(rest),
            }
        };
        Self { complete, rest }
    }

    /// The one that is answered by the reply with this number.
    pub(super) fn answered_by(&self, reply: usize) -> Option<&Request> {
        let rest = self.rest.as_ref().filter(|_| reply == self.complete.len());
        self.complete.get(reply).or(rest.map(|rest| &rest.request))
    }

    pub(super) fn orders_max(&self) -> usize {
        let rest = self.rest.iter().map(|rest| &rest.request);
        let orders = self.complete.iter().chain(rest).map(|one| one.orders_max);
        orders.fold(0, usize::saturating_add)
    }
}

/// The first request, and its length.
fn first(bytes: &[u8]) -> Result<(Request, usize), Rest> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Request::new(&mut headers);
    let known_version = as_http11(bytes);
    let mut request = Request {
        is_head: bytes.starts_with(b"HEAD "),
        ..Request::default()
    };
    let rest = |request: &Request, may_become_one| Rest {
        request: request.clone(),
        may_become_one,
    };
    let head_len = match head.parse(&known_version) {
        Ok(Status::Complete(len)) => len,
        Ok(Status::Partial) => return Err(rest(&request, true)),
        // It may not be looked at before its end has come.
        Err(_) => return Err(rest(&request, !has_empty_line(bytes))),
    };
    let values = |name: &'static str| {
        let of_name = move |field: &&httparse::Header<'_>| field.name.eq_ignore_ascii_case(name);
        head.headers.iter().filter(of_name).map(|field| field.value)
    };
    let is_http10 = head.version == Some(0);
    request.closes = match values("connection").next() {
        None => is_http10,
        Some(value) => value.eq_ignore_ascii_case(b"close"),
    };
    request.expects_continue = values("expect").next().is_some();
    let body = &bytes[head_len..];
    let is_encoded = values("content-encoding").next().is_some();
    // Of one order, or of a line each.
    let orders_max = move |content: &[u8]| match is_encoded {
        true => usize::MAX,
        false => content.iter().filter(|byte| **byte == b'\n').count() + 1,
    };
    request.orders_max = orders_max(body);
    let lengths: Vec<&[u8]> = values("content-length").collect();
    let codings: Vec<&[u8]> = values("transfer-encoding").collect();
    let (content, len) = match (&*lengths, &*codings) {
        ([], []) => (Vec::new(), 0),
        ([length], []) => match number(length, 10) {
            Some(length) if length <= body.len() => (body[..length].to_vec(), length),
            Some(_) => return Err(rest(&request, true)),
            None => return Err(rest(&request, false)),
        },
        ([], [coding]) if coding.eq_ignore_ascii_case(b"chunked") && !is_http10 => {
            match chunked(body) {
                Ok(Some(content)) => content,
                Ok(None) => return Err(rest(&request, true)),
                Err(Malformed) => return Err(rest(&request, false)),
            }
        }
        _ => return Err(rest(&request, false)),
    };
    request.orders_max = orders_max(&content);
    Ok((request, head_len + len))
}

/// The same with a minor version that the parser knows: a later one is read as
/// 1.1 (RFC 9110 section 2.5).
fn as_http11(bytes: &[u8]) -> Cow<'_, [u8]> {
    let line_len = bytes
        .split(|byte| *byte == b'\n')
        .next()
        .map_or(0, <[u8]>::len);
    if let [.., b'/', b'1', b'.', b'2'..=b'9', b'\r'] = bytes[..line_len] {
        let mut copy = bytes.to_vec();
        copy[line_len - 2] = b'1';
        return copy.into();
    }
    bytes.into()
}

fn has_empty_line(bytes: &[u8]) -> bool {
    let mut lines = bytes.split_inclusive(|byte| *byte == b'\n').skip(1);
    lines.any(|line| matches!(line, b"\n" | b"\r\n"))
}

struct Malformed;

/// Content and length of a chunked body that is complete (RFC 9112 section
/// 7.1).
fn chunked(body: &[u8]) -> Result<Option<(Vec<u8>, usize)>, Malformed> {
    let (mut content, mut at) = (Vec::new(), 0);
    loop {
        let Some(line) = line(&body[at..])? else {
            return Ok(None);
        };
        at += line.len() + 2;
        let size = line.split(|byte| b"; \t".contains(byte)).next();
        let size = number(size.unwrap_or_default(), 16).ok_or(Malformed)?;
        if size == 0 {
            break;
        }
        let Some(chunk) = body[at..].get(..size) else {
            return Ok(None);
        };
        content.extend_from_slice(chunk);
        at += size;
        match body[at..].get(..2) {
            Some(b"\r\n") => at += 2,
            Some(_) => return Err(Malformed),
            None => return Ok(None),
        }
    }
    loop {
        match line(&body[at..])? {
            None => return Ok(None),
            Some([]) => return Ok(Some((content, at + 2))),
            Some(trailer) => at += trailer.len() + 2,
        }
    }
}

/// The first line, if its end is there.
fn line(bytes: &[u8]) -> Result<Option<&[u8]>, Malformed> {
    match bytes.iter().position(|byte| *byte == b'\n') {
        None => Ok(None),
        Some(end) => bytes[..end].strip_suffix(b"\r").map(Some).ok_or(Malformed),
    }
}

fn number(digits: &[u8], radix: u32) -> Option<usize> {
    let is_digit = |byte: &u8| char::from(*byte).is_digit(radix);
    let digits = str::from_utf8(digits)
        .ok()
        .filter(|text| text.bytes().all(|byte| is_digit(&byte)));
    usize::from_str_radix(digits?, radix).ok()
}
