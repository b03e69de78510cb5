//! A client that sends any bytes and reads replies strictly.

use std::io;
use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use serde_json::Value;

use crate::harness::PATIENCE;

pub(crate) struct Client {
    pub stream: TcpStream,
    received: Vec<u8>,
}

#[derive(Clone, Debug)]
pub(crate) struct Reply {
    pub status: u16,
    /// The status line, without its end.
    pub line: String,
    /// Names as they were sent.
    pub headers: Vec<(String, String)>,
    pub body: Vec<u8>,
}

impl Reply {
    /// The only header of this name; `None` when there is none.
    #[track_caller]
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let mut found = self
            .headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name));
        let first = found.next().map(|(_, value)| value.as_str());
        assert!(found.next().is_none(), "{name} twice in {self:?}");
        first
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("all bodies are text")
    }

    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }

    /// JSON ends in one line end, whoever answers what; but for an earlier
    /// version, beside which tests/rolling_update runs this one.
    #[track_caller]
    fn check_line_end(&self) {
        if std::env::var_os("ORDERS_OLD_PROGRAM").is_some() {
            return;
        }
        let content_type = self.header("content-type").unwrap_or_default();
        if content_type.ends_with("json") && !content_type.ends_with("ndjson") {
            let ends = self.body.ends_with(b"}\n");
            assert!(ends, "no line end, or more than one: {self:?}");
        }
    }

    /// The body as a problem (RFC 9457) of this status; checks the members that
    /// all have.
    #[track_caller]
    pub(crate) fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{self:?}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json")
        );
        let problem = self.json();
        assert_eq!(problem["status"], status);
        assert!(problem["retry_safe"].is_boolean(), "{problem}");
        for member in ["type", "title", "detail"] {
            let text = problem[member].as_str().unwrap_or_default();
            assert!(!text.is_empty(), "{member} in {problem}");
        }
        problem
    }

    /// `Retry-After`, which must be 1 to 60 whole seconds.
    #[track_caller]
    pub(crate) fn retry_after(&self) -> u32 {
        let text = self.header("retry-after").expect("Retry-After");
        let seconds = text.parse().expect("whole seconds");
        assert!((1..=60).contains(&seconds), "Retry-After: {seconds}");
        seconds
    }
}

impl Client {
    #[track_caller]
    pub(crate) fn to(address: SocketAddr) -> Self {
        Self::try_to(address).expect("it listens")
    }

    pub(crate) fn try_to(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect_timeout(&address, PATIENCE)?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.set_write_timeout(Some(PATIENCE))?;
        stream.set_nodelay(true)?;
        Ok(Self::of(stream))
    }

    /// On a connection that is open.
    pub(crate) fn of(stream: TcpStream) -> Self {
        Self {
            stream,
            received: Vec::new(),
        }
    }

    #[track_caller]
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).expect("sent");
    }

    /// Sends bytes to a peer that may close at any moment.
    pub(crate) fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.stream.write_all(bytes.as_ref())
    }

    /// Whether a reply has begun to come.
    pub(crate) fn has_reply(&self) -> bool {
        self.stream.set_nonblocking(true).unwrap();
        let begun = self.stream.peek(&mut [0]);
        self.stream.set_nonblocking(false).unwrap();
        begun.is_ok()
    }

    pub(crate) fn half_close(&mut self) {
        self.stream.shutdown(Shutdown::Write).expect("still open");
    }

    /// The next reply.
    #[track_caller]
    pub(crate) fn reply(&mut self) -> Reply {
        self.try_reply().expect("a reply before the end")
    }

    /// The next reply to `HEAD`: without a body, whatever `Content-Length`
    /// says.
    #[track_caller]
    pub(crate) fn reply_to_head(&mut self) -> Reply {
        self.read(false).expect("a reply before the end")
    }

    /// The next reply, or `None` when the connection ends instead.
    #[track_caller]
    pub(crate) fn try_reply(&mut self) -> Option<Reply> {
        self.read(true)
    }

    /// Sends a request and reads its reply.
    #[track_caller]
    pub(crate) fn ask(&mut self, request: impl AsRef<[u8]>) -> Reply {
        self.send(request);
        self.reply()
    }

    /// Reads to the end of the connection, where nothing more may come.
    #[track_caller]
    pub(crate) fn ends(&mut self) {
        let ended = self.fill() == 0;
        let left = String::from_utf8_lossy(&self.received);
        assert!(ended && left.is_empty(), "expected the end, got {left:?}");
    }

    /// All replies up to the end of the connection.
    #[track_caller]
    pub(crate) fn rest(&mut self) -> Vec<Reply> {
        std::iter::from_fn(|| self.try_reply()).collect()
    }

    #[track_caller]
    fn read(&mut self, with_body: bool) -> Option<Reply> {
        let end = loop {
            match self
                .received
                .windows(4)
                .position(|four| four == b"\r\n\r\n")
            {
                Some(at) => break at,
                None if self.fill() == 0 => {
                    let cut = String::from_utf8_lossy(&self.received);
                    assert!(cut.is_empty(), "a reply cut short: {cut:?}");
                    return None;
                }
                None => {}
            }
        };
        let head: Vec<u8> = self.received.drain(..end + 4).collect();
        let head = std::str::from_utf8(&head[..end]).expect("heads are ASCII");
        let mut lines = head.split("\r\n");
        let line = lines.next().unwrap_or_default().to_owned();
        let status = line.strip_prefix("HTTP/1.1 ").expect("a status line");
        let status: u16 = status[..3].parse().expect("a status");
        let headers: Vec<(String, String)> = lines
            .map(|line| line.split_once(": ").expect("a header line"))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let mut reply = Reply {
            status,
            line,
            headers,
            body: Vec::new(),
        };
        if with_body && status >= 200 && status != 204 {
            let length = reply.header("content-length").expect("Content-Length");
            let length: usize = length.parse().expect("a length");
            while self.received.len() < length {
                assert_ne!(self.fill(), 0, "a body cut short: {reply:?}");
            }
            reply.body = self.received.drain(..length).collect();
            reply.check_line_end();
        }
        Some(reply)
    }

    /// Reads more and returns how much. A reset counts as an end.
    #[track_caller]
    fn fill(&mut self) -> usize {
        let mut chunk = [0; 16 << 10];
        loop {
            match self.stream.read(&mut chunk) {
                Ok(bytes) => {
                    self.received.extend_from_slice(&chunk[..bytes]);
                    return bytes;
                }
                // Also when a process that was stopped goes on: signal(7).
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return 0,
                Err(error) => panic!("nothing came: {error}"),
            }
        }
    }
}

/// A request that submits this body as an order, with more header lines (each
/// with its end).
pub(crate) fn submit(headers: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST /submit HTTP/1.1\r\nHost: orders\r\nContent-Type: application/json\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    )
}

/// A request that submits a valid order with this id.
pub(crate) fn order(id: &str) -> String {
    submit("", &format!(r#"{{"id":"{id}","value":1}}"#))
}

/// Posts a body to `/submit` on a connection of its own, with more header
/// lines.
#[track_caller]
pub(crate) fn post(address: SocketAddr, headers: &str, body: &str) -> Reply {
    Client::to(address).ask(submit(headers, body))
}

/// Gets a path on a connection of its own.
#[track_caller]
pub(crate) fn get(address: SocketAddr, path: &str) -> Reply {
    Client::to(address).ask(format!("GET {path} HTTP/1.1\r\nHost: orders\r\n\r\n"))
}
