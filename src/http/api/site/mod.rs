//! Who may ask: neither another site's page in somebody's browser, nor a
//! browser that takes this host for another one (DNS rebinding).
//!
//! A browser says whose page a request comes from, in fields that no page can
//! set: `Sec-Fetch-Site` (Fetch Metadata Request Headers, W3C) and `Origin`
//! (Fetch, section 3.2). Programs send neither and are not concerned. A GET
//! that shows a page is a person who follows a link.
//!
//! A port bound to loopback answers to names that mean loopback only: whoever
//! owns a name can have it resolve to 127.0.0.1, and a page that came under
//! that name is no other site's then.

#[cfg(test)]
mod tests;

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::Config;
use crate::http::wire::{Authority, Method};

/// What a request says of where it comes from, and to whom.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Source<'a> {
    /// A valid [`Authority`]; absent in HTTP/1.0 only.
    pub host: Option<&'a [u8]>,
    pub origin: Option<&'a [u8]>,
    /// See [`Head::is_cross_site`](crate::http::wire::Head::is_cross_site).
    pub is_cross_site: bool,
    /// See [`Head::navigates`](crate::http::wire::Head::navigates).
    pub navigates: bool,
}

/// Why a request may not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// A page of another site asks.
    Site,
    /// The host that is asked isn't this one.
    Host,
}

/// The rules of both ports.
#[derive(Clone)]
pub(crate) struct Sites {
    pub orders: SiteRules,
    pub admin: SiteRules,
}

impl Sites {
    pub(crate) fn of(config: &Config) -> Self {
        Self {
            orders: SiteRules::new(config, Some(config.listen)),
            admin: SiteRules::new(config, config.admin_listen),
        }
    }
}

/// Who may ask on one port.
#[derive(Clone, Debug)]
pub(crate) struct SiteRules {
    is_loopback: bool,
    /// Beside those that mean loopback, in lower case.
    hosts: Vec<String>,
    origins: Vec<AllowedOrigin>,
}

/// An origin whose pages may ask.
#[derive(Clone, Debug)]
struct AllowedOrigin {
    origin: String,
    /// `Access-Control-Allow-Origin`, whole; it lives as long as the process.
    line: &'static str,
}

impl SiteRules {
    fn new(config: &Config, address: Option<SocketAddr>) -> Self {
        let hosts = config.allowed_hosts.as_ref();
        let origins = config.allowed_origins.as_ref();
        Self {
            is_loopback: address.is_some_and(|at| at.ip().to_canonical().is_loopback()),
            hosts: hosts.map_or_else(Vec::new, |hosts| hosts.0.clone()),
            origins: origins.map_or_else(Vec::new, |origins| {
                origins.0.iter().cloned().map(AllowedOrigin::new).collect()
            }),
        }
    }

    /// Whether a request may be made: with what allows its page to read the
    /// reply, if it is another site's.
    pub(crate) fn check(
        &self,
        source: &Source<'_>,
        method: Option<Method>,
    ) -> Result<Option<&'static str>, Foreign> {
        if self.is_loopback && source.host.is_some_and(|host| !self.answers_to(host)) {
            return Err(Foreign::Host);
        }
        if source.origin.is_none() && !source.is_cross_site {
            return Ok(None);
        }
        self.check_page(source, method)
    }

    #[cold]
    fn check_page(
        &self,
        source: &Source<'_>,
        method: Option<Method>,
    ) -> Result<Option<&'static str>, Foreign> {
        let allowed = source.origin.and_then(|origin| self.allowed(origin));
        if allowed.is_some() {
            return Ok(allowed);
        }
        let is_own = |origin| source.host.is_some_and(|host| is_same(origin, host));
        let is_foreign = source.is_cross_site || !source.origin.is_none_or(is_own);
        if is_foreign && !(method == Some(Method::Get) && source.navigates) {
            return Err(Foreign::Site);
        }
        Ok(None)
    }

    fn answers_to(&self, host: &[u8]) -> bool {
        let Some(Authority { host, .. }) = Authority::parse(host) else {
            return false;
        };
        means_loopback(host)
            || self
                .hosts
                .iter()
                .any(|name| name.as_bytes().eq_ignore_ascii_case(host))
    }

    fn allowed(&self, origin: &[u8]) -> Option<&'static str> {
        let is_it = |allowed: &&AllowedOrigin| allowed.origin.as_bytes() == origin;
        self.origins.iter().find(is_it).map(|allowed| allowed.line)
    }
}

impl AllowedOrigin {
    fn new(origin: String) -> Self {
        // Leaked: may_minihttp takes static lines only, and there are few.
        let line = format!("Access-Control-Allow-Origin: {origin}").leak();
        Self { origin, line }
    }
}

fn means_loopback(host: &[u8]) -> bool {
    if host.eq_ignore_ascii_case(b"localhost") {
        return true;
    }
    let Ok(host) = std::str::from_utf8(host) else {
        return false;
    };
    match host.strip_prefix('[') {
        Some(address) => address
            .trim_end_matches(']')
            .parse::<Ipv6Addr>()
            .is_ok_and(|address| address.to_canonical().is_loopback()),
        None => host
            .parse::<Ipv4Addr>()
            .is_ok_and(|address| address.is_loopback()),
    }
}

/// Whether an origin is the host that is asked, whatever its scheme: a proxy
/// may have taken TLS off.
fn is_same(origin: &[u8], host: &[u8]) -> bool {
    let Some(scheme_len) = memchr::memmem::find(origin, b"://") else {
        return false; // `null`, as an origin is called that is not to be known
    };
    let (scheme, authority) = (&origin[..scheme_len], &origin[scheme_len + 3..]);
    let default_port = match scheme.to_ascii_lowercase().as_slice() {
        b"http" => Some(80),
        b"https" => Some(443),
        _ => None,
    };
    let (Some(origin), Some(host)) = (Authority::parse(authority), Authority::parse(host)) else {
        return false;
    };
    origin.host.eq_ignore_ascii_case(host.host)
        && origin.port.or(default_port) == host.port.or(default_port)
}
