//! Request bodies: how long they are, and their content out of the bytes that
//! arrive (RFC 9112 sections 6.2 and 7.1).

mod chunked;
mod decoder;
mod extension;
mod framing;
#[cfg(test)]
mod tests;

pub(crate) use self::decoder::BodyDecoder;
pub(crate) use self::framing::BodyFraming;
