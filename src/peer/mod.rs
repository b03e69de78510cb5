//! Where connections and requests come from.
//!
//! A connection comes from its peer. A peer that is trusted, a proxy, may say
//! on whose behalf it has connected (the PROXY protocol) or asks (`Forwarded`,
//! `X-Forwarded-For`); what any other one says is not read. No socket here: the
//! front ends hand over what they have received.
//!
//! | file | holds |
//! |---|---|
//! | `network` | [`Networks`]: addresses, and networks in CIDR notation |
//! | `origin` | [`Origin`]: who has connected, and who asks |
//! | `proxy_header` | [`ProxyHeader`]: the PROXY protocol, version 2 |
//! | `forwarded` | `Forwarded` and `X-Forwarded-For`, from the right |

mod forwarded;
#[cfg(any(test, fuzzing))]
pub(crate) mod fuzzing;
mod network;
mod origin;
mod proxy_header;

pub use self::network::Networks;
pub(crate) use self::origin::{Forwarding, Origin, Proxies};
pub(crate) use self::proxy_header::{ProxyHeader, Source};
