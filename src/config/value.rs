//! Single values of the command line that are neither counts, times nor sizes:
//! text in, a typed value out.
//!
//! Errors say only what is wrong with the text; `usage` puts the flag's or the
//! variable's name before it. All are pure but `address`, which asks the system
//! what `localhost` is.

use std::net::{IpAddr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use rust_decimal::Decimal;

use crate::config::bad_value::BadValue;
use crate::config::choice::{AllowedHosts, AllowedOrigins, Ledger, Pin, Simulate};
use crate::config::quantity::{HOUR, time};
use crate::config::rate::RequestRate;
use crate::peer::Networks;

/// Core ids lie below this: the size of the kernel's fixed CPU set
/// (`CPU_SETSIZE`, CPU_SET(3)).
pub(crate) const CORE_ID_END: usize = 1024;
/// Most digits a decimal may have, before and after the point together.
const DECIMAL_DIGITS_MAX: usize = 28;

/// `IP:PORT`, `[IP6]:PORT` or `localhost:PORT`. Of several addresses of
/// `localhost` the first of IPv4 is taken, so that the same flag means the same
/// address on every machine. Other names are refused: the interface that a port
/// is bound to should not depend on DNS.
pub(super) fn address(text: &str) -> Result<SocketAddr, BadValue> {
    const FORM: BadValue =
        BadValue::Form("IP:PORT, as in 127.0.0.1:8080, 0.0.0.0:8080, [::1]:8080 or localhost:8080");
    if let Some(port) = text.strip_prefix("localhost:") {
        let port: u16 = digits(port).ok_or(FORM)?;
        let found = ("localhost", port)
            .to_socket_addrs()
            .map_err(|_| BadValue::NoLocalhost)?;
        return found
            .min_by_key(|at| at.ip().is_ipv6())
            .ok_or(BadValue::NoLocalhost);
    }
    match text.parse() {
        Ok(at) => Ok(at),
        Err(_) if text.parse::<IpAddr>().is_ok() => Err(BadValue::Form(
            "an address with a port, as in 127.0.0.1:8080 or [::1]:8080",
        )),
        Err(_) => Err(FORM),
    }
}

/// 32 hexadecimal digits.
pub(super) fn ledger_id(text: &str) -> Result<u128, BadValue> {
    let digits = text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = digits
        .then(|| u128::from_str_radix(text, 16).ok())
        .flatten();
    id.ok_or(BadValue::Form("32 hexadecimal digits"))
}

/// [`address`], with `off` as `None`.
pub(super) fn address_or_off(text: &str) -> Result<Option<SocketAddr>, BadValue> {
    if text == "off" {
        Ok(None)
    } else {
        address(text).map(Some)
    }
}

/// `auto`, `off`, or cores and ranges of cores such as `0,2-5`, kept in the
/// order written.
pub(super) fn pin(text: &str) -> Result<Pin, BadValue> {
    const FORM: BadValue = BadValue::Form("auto, off or a list of cores below 1024, as in 0,2-5");
    match text {
        "auto" => return Ok(Pin::Auto),
        "off" => return Ok(Pin::Off),
        _ => {}
    }
    let mut cores = Vec::new();
    for core in core_list(text).ok_or(FORM)? {
        if cores.contains(&core) {
            return Err(BadValue::CoreTwice(core));
        }
        cores.push(core);
    }
    Ok(Pin::Cores(cores))
}

/// Reads a list of cores and of ranges of cores, `0,2-5`, the kernel's own
/// notation (cpuset(7), "List format"). `None` if it is empty, malformed, a
/// range runs backwards, or an id is not below [`CORE_ID_END`].
pub(crate) fn core_list(text: &str) -> Option<Vec<usize>> {
    let mut cores = Vec::new();
    for part in text.split(',') {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        let (first, last): (usize, usize) = (digits(first)?, digits(last)?);
        if first > last || last >= CORE_ID_END {
            return None;
        }
        cores.extend(first..=last);
    }
    Some(cores)
}

/// `MIN..MAX[,fail=RATIO]`; without a ratio nothing fails.
pub(super) fn simulate(text: &str) -> Result<Simulate, BadValue> {
    const FORM: BadValue = BadValue::Form(
        "MIN..MAX[,fail=RATIO] with MIN at most MAX and RATIO from 0 to 1, as in 100ms..600ms,fail=0.1",
    );
    let (delays, fail) = match text.split_once(',') {
        Some((delays, fail)) => (delays, fail.strip_prefix("fail=").ok_or(FORM)?),
        None => (text, "0"),
    };
    let (min, max) = delays.split_once("..").ok_or(FORM)?;
    let delay = time(Duration::ZERO..=HOUR);
    let (delay_min, delay_max) = (delay(min)?, delay(max)?);
    // Digits and a point only: `f64` would read `inf`, `nan` and exponents,
    // too.
    let plain = fail.bytes().all(|b| b.is_ascii_digit() || b == b'.');
    let fail_ratio = fail
        .parse()
        .ok()
        .filter(|ratio| plain && (0.0..=1.0).contains(ratio));
    let fail_ratio = fail_ratio.ok_or(FORM)?;
    if delay_min > delay_max {
        return Err(FORM);
    }
    Ok(Simulate {
        delay_min,
        delay_max,
        fail_ratio,
    })
}

/// Host names without ports, separated by commas.
pub(super) fn allowed_hosts(text: &str) -> Result<AllowedHosts, BadValue> {
    const FORM: BadValue =
        BadValue::Form("host names without ports, as in orders.internal,10.0.0.7,[fd00::7]");
    let hosts = text.to_ascii_lowercase();
    if !hosts.split(',').all(is_host) {
        return Err(FORM);
    }
    Ok(AllowedHosts(hosts.split(',').map(str::to_owned).collect()))
}

/// Origins, separated by commas (RFC 6454 section 6.2).
pub(super) fn allowed_origins(text: &str) -> Result<AllowedOrigins, BadValue> {
    const FORM: BadValue =
        BadValue::Form("origins without a path, as in https://shop.example,http://localhost:3000");
    let text = text.to_ascii_lowercase();
    let origins: Option<Vec<_>> = text.split(',').map(origin).collect();
    Ok(AllowedOrigins(origins.ok_or(FORM)?))
}

/// `scheme://host[:port]`, as browsers write it: without the scheme's own port.
fn origin(text: &str) -> Option<String> {
    let (scheme, authority) = text.split_once("://")?;
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let named = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    let host_end = authority
        .rfind(':')
        .filter(|at| !authority[*at..].contains(']'));
    let (host, port) = authority.split_at(host_end.unwrap_or(authority.len()));
    if !named || !scheme.bytes().all(is_scheme) || !is_host(host) {
        return None;
    }
    let port: Option<u16> = match port.strip_prefix(':') {
        None => None,
        Some(port) if !port.is_empty() => Some(digits(port)?),
        Some(_) => return None,
    };
    match (scheme, port) {
        ("http", Some(80)) | ("https", Some(443)) | (_, None) => Some(format!("{scheme}://{host}")),
        (_, Some(port)) => Some(format!("{scheme}://{host}:{port}")),
    }
}

/// A name, an IPv4 address, or an IPv6 address in brackets.
fn is_host(text: &str) -> bool {
    if let Some(address) = text.strip_prefix('[') {
        let address = address.strip_suffix(']');
        return address.is_some_and(|address| address.parse::<Ipv6Addr>().is_ok());
    }
    let is_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !text.is_empty() && text.bytes().all(is_name)
}

/// A decimal above zero of at most 28 digits, without sign or exponent; never
/// rounded.
pub(super) fn positive_decimal(text: &str) -> Result<Decimal, BadValue> {
    const FORM: BadValue =
        BadValue::Form("a decimal above zero of at most 28 digits, as in 1000 or 99.95");
    let (whole, fraction) = text.split_once('.').unwrap_or((text, "0"));
    let all_digits = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    let digits = text.bytes().filter(u8::is_ascii_digit).count();
    if !all_digits(whole) || !all_digits(fraction) || digits > DECIMAL_DIGITS_MAX {
        return Err(FORM);
    }
    let value = Decimal::from_str_exact(text).map_err(|_| FORM)?;
    if value.is_zero() {
        Err(FORM)
    } else {
        Ok(value)
    }
}

/// `journal`, `memory` or `nats://HOST:PORT[,HOST:PORT…]`.
pub(super) fn ledger(text: &str) -> Result<Ledger, BadValue> {
    const FORM: BadValue = BadValue::Form("journal, memory or nats://HOST:PORT[,HOST:PORT…]");
    match text {
        "journal" => return Ok(Ledger::Journal),
        "memory" => return Ok(Ledger::Memory),
        _ => {}
    }
    let servers = text.strip_prefix("nats://").ok_or(FORM)?;
    let server = |server: &str| {
        let server = server.strip_prefix("nats://").unwrap_or(server);
        let (host, port) = server.rsplit_once(':').ok_or(FORM)?;
        let port: u16 = digits(port).ok_or(FORM)?;
        // Credentials are in files, and not in what any process can see.
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.:[]".contains(c);
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let address = bracketed == host.contains(':');
        if host.is_empty() || port == 0 || !host.chars().all(plain) || !address {
            return Err(FORM);
        }
        Ok(server.to_owned())
    };
    let servers = servers.split(',').map(server);
    servers.collect::<Result<_, _>>().map(Ledger::Nats)
}

/// The name of a stream: what a subject's part may be.
pub(super) fn stream_name(text: &str) -> Result<String, BadValue> {
    const LEN_MAX: usize = 64;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_');
    if text.is_empty() || text.len() > LEN_MAX || !text.bytes().all(plain) {
        return Err(BadValue::Form("1 to 64 of A-Z a-z 0-9 _ -"));
    }
    Ok(text.to_owned())
}

/// A text, which may not be empty.
pub(super) fn text(text: &str) -> Result<String, BadValue> {
    if text.is_empty() {
        Err(BadValue::Form("a name"))
    } else {
        Ok(text.to_owned())
    }
}

/// Addresses and networks, separated by commas.
pub(super) fn networks(text: &str) -> Result<Networks, BadValue> {
    Networks::parse(text).ok_or(BadValue::Form(
        "addresses and networks without bits behind their prefix, as in \
         10.0.0.0/8,192.0.2.7,fd00::/8, 256 at most",
    ))
}

/// `N/s`, `N/m` or `N/h`.
pub(super) fn rate(text: &str) -> Result<RequestRate, BadValue> {
    RequestRate::parse(text).ok_or(BadValue::Form(RequestRate::FORM))
}

/// What goes with a rate.
pub(super) fn rate_count(text: &str) -> Result<u32, BadValue> {
    RequestRate::parse_count(text).ok_or(BadValue::Form(RequestRate::COUNT_FORM))
}

/// `on` or `off`.
pub(super) fn switch(text: &str) -> Result<bool, BadValue> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        _ => Err(BadValue::Form("on or off")),
    }
}

/// A path, which may not be empty.
pub(super) fn path(text: &str) -> Result<PathBuf, BadValue> {
    if text.is_empty() {
        Err(BadValue::Form("a path"))
    } else {
        Ok(text.into())
    }
}

/// A number written in digits alone: `parse` also accepts a plus sign.
fn digits<T: FromStr>(text: &str) -> Option<T> {
    text.bytes()
        .all(|b| b.is_ascii_digit())
        .then(|| text.parse().ok())?
}
