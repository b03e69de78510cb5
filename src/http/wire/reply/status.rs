//! Statuses: their phrases, their lines, and which of them come with content.

use crate::http::wire::reply::parts::Caching;

/// A field that all replies have: what the body is stands in `Content-Type`,
/// whatever it may look like to a browser.
macro_rules! nosniff {
    () => {
        "X-Content-Type-Options: nosniff"
    };
}
macro_rules! no_store {
    () => {
        "Cache-Control: no-store"
    };
}
macro_rules! vary_accept {
    () => {
        "Vary: Accept"
    };
}

pub(crate) const NOSNIFF: &str = nosniff!();

impl Caching {
    /// The field that says so, if one does.
    pub(crate) const fn line(self) -> Option<&'static str> {
        match self {
            Self::Never => Some(no_store!()),
            Self::ByAccept => Some(vary_accept!()),
            Self::Unsaid => None,
        }
    }
}

/// Whether a status may come with content and its length (RFC 9110 section
/// 8.6).
pub(super) fn has_content(status: u16) -> bool {
    status >= 200 && status != 204 && status != 304
}

macro_rules! statuses {
    ($($status:literal $phrase:literal,)*) => {
        /// The reason phrase of a status that the server sends (RFC 9110
        /// section 15, RFC 6585); empty for others.
        pub(crate) const fn reason_phrase(status: u16) -> &'static str {
            match status {
                $($status => $phrase,)*
                _ => "",
            }
        }

        /// The first lines and the next one's start, ready to send; empty for
        /// a status not listed, and for what only few replies have.
        pub(super) const fn first_lines(status: u16, caching: Caching) -> &'static str {
            match (status, caching) {
                $(($status, Caching::Never) => concat!(
                    "HTTP/1.1 ", $status, " ", $phrase, "\r\n",
                    nosniff!(), "\r\n", no_store!(), "\r\nDate: ",
                ),)*
                (200, Caching::ByAccept) => concat!(
                    "HTTP/1.1 200 OK\r\n",
                    nosniff!(), "\r\n", vary_accept!(), "\r\nDate: ",
                ),
                (200, Caching::Unsaid) => {
                    concat!("HTTP/1.1 200 OK\r\n", nosniff!(), "\r\nDate: ")
                }
                _ => "",
            }
        }
    };
}

statuses! {
    200 "OK",
    201 "Created",
    202 "Accepted",
    204 "No Content",
    304 "Not Modified",
    400 "Bad Request",
    401 "Unauthorized",
    403 "Forbidden",
    404 "Not Found",
    405 "Method Not Allowed",
    408 "Request Timeout",
    409 "Conflict",
    410 "Gone",
    411 "Length Required",
    413 "Content Too Large",
    414 "URI Too Long",
    415 "Unsupported Media Type",
    417 "Expectation Failed",
    422 "Unprocessable Content",
    429 "Too Many Requests",
    431 "Request Header Fields Too Large",
    500 "Internal Server Error",
    501 "Not Implemented",
    503 "Service Unavailable",
    505 "HTTP Version Not Supported",
}
