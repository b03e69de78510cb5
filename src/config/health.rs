//! `health`: which service is asked, and what.

use std::ffi::OsString;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::config::flags::Config;
use crate::config::parse::Variables;
use crate::config::usage::{Given, UsageError};

/// The question that `health` asks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Health {
    /// The admin port, on an address of this machine.
    pub address: SocketAddr,
    /// Whether to ask for readiness, not only whether it is alive.
    pub ready: bool,
}

/// Parses a command line whose second word is `health`: `--ready`, and the
/// flags of the service that is asked, of which the admin port counts.
pub(super) fn parse(args: Vec<OsString>, env: &Variables) -> Result<Health, UsageError> {
    let ready = args.iter().any(|word| word == "--ready");
    let words = args.into_iter().enumerate();
    let words = words.filter(|(at, word)| *at != 1 && word != "--ready");
    let config = Config::parse_from(words.map(|(_, word)| word), env.clone())?;
    let refused = |value: &str, why: &str| UsageError::Value {
        given: Given::flag("--admin-listen", value),
        why: why.to_owned(),
    };
    let Some(mut address) = config.admin_listen else {
        return Err(refused("off", "there is no port to ask"));
    };
    if address.port() == 0 {
        return Err(refused(&address.to_string(), "must name the port"));
    }
    if address.ip().is_unspecified() {
        address.set_ip(match address.ip() {
            IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
            IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
        });
    }
    Ok(Health { address, ready })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(words: &[&str], variable: Option<&str>) -> Result<(String, bool), String> {
        let args = ["order-processor", "health"].iter().chain(words);
        let env = variable.map(|value| ("ORDERS_ADMIN_LISTEN".into(), value.into()));
        parse(args.map(Into::into).collect(), &env.into_iter().collect())
            .map(|health| (health.address.to_string(), health.ready))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_admin_port_of_this_machine_is_asked() {
        for (words, variable, address, ready) in [
            (&[][..], None, "127.0.0.1:9090", false),
            (&["--ready"], Some("0.0.0.0:9191"), "127.0.0.1:9191", true),
            (&[], Some("[::]:9191"), "[::1]:9191", false),
            (
                &["--admin-listen", "10.0.0.1:1"],
                Some("[::]:2"),
                "10.0.0.1:1",
                false,
            ),
        ] {
            assert_eq!(asked(words, variable), Ok((address.to_owned(), ready)));
        }
    }

    #[test]
    fn a_port_that_cannot_be_known_is_refused() {
        for value in ["off", "127.0.0.1:0"] {
            let error = asked(&["--admin-listen", value], None).expect_err("no port");
            assert!(error.starts_with("--admin-listen "), "{error}");
        }
    }
}
