//! A keep-alive connection with one order in flight at most.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    os::fd::{AsFd, BorrowedFd},
};

const HEADERS_MAX: usize = 32;
const REPLY_BYTES_MAX: usize = 8192;

pub struct Connection {
    stream: TcpStream,
    reply: Box<[u8; REPLY_BYTES_MAX]>,
    reply_bytes: usize,
    /// When the order in flight should have left, in nanoseconds.
    pub intended_ns: Option<u64>,
}

impl Connection {
    pub fn open(address: SocketAddr) -> io::Result<Self> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        Ok(Self {
            stream,
            reply: Box::new([0; REPLY_BYTES_MAX]),
            reply_bytes: 0,
            intended_ns: None,
        })
    }

    /// Sends a request; its socket's buffer is empty, so it goes as a whole.
    pub fn send(&mut self, request: &[u8], intended_ns: u64) -> io::Result<()> {
        self.intended_ns = Some(intended_ns);
        match self.stream.write(request)? {
            sent if sent == request.len() => Ok(()),
            _ => Err(ErrorKind::WriteZero.into()),
        }
    }

    /// Reads once; the status when the reply is whole.
    pub fn receive(&mut self) -> io::Result<Option<u16>> {
        match self.stream.read(&mut self.reply[self.reply_bytes..]) {
            // Its end, or no space left.
            Ok(0) => return Err(ErrorKind::UnexpectedEof.into()),
            Ok(count) => self.reply_bytes += count,
            Err(why) if why.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(why) => return Err(why),
        }
        let whole = reply_status(&self.reply[..self.reply_bytes])?;
        if whole.is_some() {
            self.reply_bytes = 0;
        }
        Ok(whole)
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.stream.as_fd()
    }
}

/// The status, once head and body are there.
fn reply_status(bytes: &[u8]) -> io::Result<Option<u16>> {
    let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
    let mut head = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head_bytes) =
        head.parse(bytes).map_err(|why| invalid(&why.to_string()))?
    else {
        return Ok(None);
    };
    let body_bytes: usize = head
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("content-length"))
        .and_then(|header| str::from_utf8(header.value).ok()?.parse().ok())
        .ok_or_else(|| invalid("a reply without Content-Length"))?;
    match bytes.len().cmp(&(head_bytes + body_bytes)) {
        std::cmp::Ordering::Less => Ok(None),
        std::cmp::Ordering::Equal => Ok(head.code),
        std::cmp::Ordering::Greater => Err(invalid("more than one reply to one request")),
    }
}

fn invalid(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_is_whole_with_its_last_byte_only() {
        let reply = b"HTTP/1.1 201 Created\r\ncontent-length: 2\r\n\r\n{}";
        for have in 0..reply.len() {
            assert_eq!(reply_status(&reply[..have]).unwrap(), None, "{have} bytes");
        }
        assert_eq!(reply_status(reply).unwrap(), Some(201));
        assert!(reply_status(&[reply, &b"H"[..]].concat()).is_err());
        assert!(reply_status(b"HTTP/1.1 200 OK\r\n\r\n").is_err());
    }
}
