//! What must hold between two settings, each of which is inside its own limits.
//!
//! Sizes nest: one order's body fits the budget of all bodies being read, and
//! of all orders inside, or it could never be taken however idle the service
//! is.

use crate::config::choice::{Ack, HttpEngine, Ledger};
use crate::config::flags::Config;
use crate::config::quantity::show_bytes;
use crate::config::usage::{Given, UsageError};

/// A relation that does not hold between two flags (without dashes).
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Broken {
    flags: [&'static str; 2],
    /// What is required of the first, with the second's value.
    why: String,
    /// The same, required of the second.
    why_second: String,
}

impl Broken {
    /// Names the first flag if it was given, else the second; `given` says how
    /// a flag got its value, `None` for a default.
    pub(super) fn into_usage_error(self, given: impl Fn(&str) -> Option<Given>) -> UsageError {
        let [first, second] = self.flags;
        let (given, why) = match (given(first), given(second)) {
            (Some(given), _) => (given, self.why),
            (None, Some(given)) => (given, self.why_second),
            (None, None) => (Given::flag(&format!("--{first}"), ""), self.why),
        };
        UsageError::Value { given, why }
    }
}

/// The first relation that does not hold.
pub(super) fn check(config: &Config) -> Result<(), Broken> {
    let body = config.max_body as u64;
    fits("queue-bytes", config.queue_bytes as u64, "max-body", body)?;
    fits("body-bytes", config.body_bytes as u64, "max-body", body)?;
    fits("max-batch-body", config.max_batch_body, "max-body", body)?;
    let ports = [
        ("listen", Some(config.listen)),
        ("admin-listen", config.admin_listen),
        ("grpc-listen", config.grpc_listen),
    ];
    for (i, (first, at)) in ports.iter().enumerate() {
        for (second, other) in &ports[i + 1..] {
            // Port 0 asks for a free one, so two of it never meet.
            if at.is_some_and(|at| at.port() != 0) && at == other {
                return Err(Broken {
                    flags: [second, first],
                    why: format!("is also the address of --{first}"),
                    why_second: format!("is also the address of --{second}"),
                });
            }
        }
    }
    expected_ledger(config)?;
    tls(config)?;
    peers(config)?;
    if config.protect_metrics && config.token_file.is_none() {
        return Err(Broken {
            flags: ["protect-metrics", "token-file"],
            why: "needs --token-file: nobody could read them".to_owned(),
            why_second: "is needed for --protect-metrics".to_owned(),
        });
    }
    nats(config)
}

/// `--expect-ledger` with a ledger that is new at every start.
fn expected_ledger(config: &Config) -> Result<(), Broken> {
    if config.expect_ledger.is_some() && config.ledger == Ledger::Memory {
        return Err(Broken {
            flags: ["expect-ledger", "ledger"],
            why: "is not possible with --ledger memory, which is another one at every start".into(),
            why_second: "is not possible with --expect-ledger: it is another one at every start"
                .into(),
        });
    }
    Ok(())
}

/// What must hold between the flags of TLS.
fn tls(config: &Config) -> Result<(), Broken> {
    let tls = &config.tls;
    let has = [tls.cert.is_some(), tls.key.is_some()];
    both_or_none(["tls-cert", "tls-key"], has)?;
    if tls.client_ca.is_some() && tls.cert.is_none() {
        return Err(Broken {
            flags: ["tls-client-ca", "tls-cert"],
            why: "needs --tls-cert and --tls-key".to_owned(),
            why_second: String::new(), // it is not given
        });
    }
    if tls.cert.is_some() && config.http_engine == HttpEngine::MayMinihttp {
        return Err(Broken {
            flags: ["tls-cert", "http-engine"],
            why: "is not possible with --http-engine may_minihttp, which has no TLS".to_owned(),
            why_second: "is not possible with --tls-cert: this engine has no TLS".to_owned(),
        });
    }
    Ok(())
}

/// What must hold between the flags of proxies and client addresses.
fn peers(config: &Config) -> Result<(), Broken> {
    let peers = &config.peers;
    if peers.proxy_protocol && peers.trusted_proxies.is_none() {
        return Err(Broken {
            flags: ["proxy-protocol", "trusted-proxies"],
            why: "needs --trusted-proxies: anyone could claim to be anyone".to_owned(),
            why_second: String::new(), // it is not given
        });
    }
    if peers.proxy_protocol && config.http_engine == HttpEngine::MayMinihttp {
        return Err(Broken {
            flags: ["proxy-protocol", "http-engine"],
            why: "is not possible with --http-engine may_minihttp, which doesn't read it"
                .to_owned(),
            why_second: "is not possible with --proxy-protocol: this engine doesn't read it"
                .to_owned(),
        });
    }
    if peers.client_burst.is_some() && peers.client_rate.is_none() {
        return Err(Broken {
            flags: ["client-burst", "client-rate"],
            why: "needs --client-rate".to_owned(),
            why_second: String::new(), // it is not given
        });
    }
    let by_address = [
        ("client-rate", peers.client_rate.is_some()),
        ("client-inflight", peers.client_inflight.is_some()),
    ];
    if let Some((flag, _)) = by_address.into_iter().find(|(_, given)| *given)
        && config.token_file.is_some()
    {
        return Err(Broken {
            flags: [flag, "token-file"],
            why: "is not possible with --token-file, whose lines have the quotas".to_owned(),
            why_second: format!("is not possible with --{flag}: its lines have the quotas"),
        });
    }
    Ok(())
}

/// What must hold between the flags of the NATS ledger.
fn nats(config: &Config) -> Result<(), Broken> {
    let nats = &config.nats;
    if config.ledger.keeps_queued() {
        return Ok(()); // they are not used
    }
    if config.ack == Ack::Queued {
        return Err(Broken {
            flags: ["ack", "ledger"],
            why: "is not possible with --ledger nats://…, which keeps no queued order".to_owned(),
            why_second: "is not possible with --ack queued: it keeps no queued order".to_owned(),
        });
    }
    let (window, least) = (nats.dedupe_window, config.ack_timeout * 2);
    if window < least {
        // A retry must find the id that it may have committed.
        return Err(Broken {
            flags: ["nats-dedupe-window", "ack-timeout"],
            why: format!("must be at least twice --ack-timeout ({least:?})"),
            why_second: format!("must be at most half of --nats-dedupe-window ({window:?})"),
        });
    }
    let password = [nats.user.is_some(), nats.password_file.is_some()];
    both_or_none(["nats-user", "nats-password-file"], password)?;
    let identity = [nats.tls_cert.is_some(), nats.tls_key.is_some()];
    both_or_none(["nats-tls-cert", "nats-tls-key"], identity)?;
    let credentials = [
        ("nats-user", nats.user.is_some()),
        ("nats-token-file", nats.token_file.is_some()),
        ("nats-nkey-file", nats.nkey_file.is_some()),
        ("nats-creds-file", nats.creds_file.is_some()),
    ];
    let mut given = credentials.iter().filter(|(_, given)| *given);
    if let (Some((first, _)), Some((second, _))) = (given.next(), given.next()) {
        return Err(Broken {
            flags: [second, first],
            why: format!("can't be given with --{first}: one credential is enough"),
            why_second: format!("can't be given with --{second}: one credential is enough"),
        });
    }
    Ok(())
}

/// One flag is of use only with the other.
fn both_or_none(flags: [&'static str; 2], [has_one, has_other]: [bool; 2]) -> Result<(), Broken> {
    if has_one == has_other {
        return Ok(());
    }
    let [one, other] = flags;
    Err(Broken {
        flags,
        why: format!("needs --{other}"),
        why_second: format!("needs --{one}"),
    })
}

/// `outer` has to be at least `inner`.
fn fits(outer: &'static str, size: u64, inner: &'static str, part: u64) -> Result<(), Broken> {
    if size >= part {
        return Ok(());
    }
    Err(Broken {
        flags: [outer, inner],
        why: format!("must be at least --{inner} ({})", show_bytes(part)),
        why_second: format!("must be at most --{outer} ({})", show_bytes(size)),
    })
}
