//! Statuses: their phrases, their lines, and which of them come with content.

/// Whether a status may come with content and its length (RFC 9110 section 8.6).
pub(super) fn has_content(status: u16) -> bool {
    status >= 200 && status != 204 && status != 304
}

macro_rules! statuses {
    ($($status:literal $phrase:literal,)*) => {
        /// The reason phrase of a status that the server sends (RFC 9110 section 15, RFC 6585);
        /// empty for others.
        pub(crate) const fn reason_phrase(status: u16) -> &'static str {
            match status {
                $($status => $phrase,)*
                _ => "",
            }
        }

        /// The status line and the next line's start, ready to send; empty for a status not listed.
        pub(super) const fn status_line(status: u16) -> &'static str {
            match status {
                $($status => concat!("HTTP/1.1 ", $status, " ", $phrase, "\r\nDate: "),)*
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
    404 "Not Found",
    405 "Method Not Allowed",
    408 "Request Timeout",
    409 "Conflict",
    410 "Gone",
    411 "Length Required",
    413 "Content Too Large",
    414 "URI Too Long",
    417 "Expectation Failed",
    422 "Unprocessable Content",
    429 "Too Many Requests",
    431 "Request Header Fields Too Large",
    500 "Internal Server Error",
    501 "Not Implemented",
    503 "Service Unavailable",
    505 "HTTP Version Not Supported",
}
