//! The connection: credentials, TLS, how it is made again.

use std::future::ready;
use std::path::Path;
use std::time::Duration;

use async_nats::{Auth, AuthError, Client, ConnectOptions, Event};
use tokio::sync::mpsc;

use crate::ledger::nats::error::NatsError;
use crate::ledger::nats::message;
use crate::ledger::nats::options::{Credentials, Options};

/// The oldest server that has all that is relied on here: expectations checked
/// against proposals in flight, and replicas that serve reads in batches.
const VERSION_MIN: (u32, u32) = (2, 15);
const VERSION_MIN_TEXT: &str = "2.15";
/// How long a server may take to answer.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// A server that answers no ping for two of these is given up.
const PING_INTERVAL: Duration = Duration::from_secs(3);
/// The first and the longest pause between two attempts, before jitter.
const PAUSE_MIN: Duration = Duration::from_millis(50);
const PAUSE_MAX: Duration = Duration::from_secs(3);
/// Events that wait to be looked at; more of them say nothing new.
const EVENTS_MAX: usize = 64;
/// Messages on their way to the socket.
const COMMANDS_MAX: usize = 8192;

/// What happens to the connection.
pub(super) type Events = mpsc::Receiver<Event>;

/// Options for connecting, and where its events arrive. Reads the secrets.
pub(super) async fn prepare(options: &Options) -> Result<(ConnectOptions, Events), NatsError> {
    let (sender, events) = mpsc::channel(EVENTS_MAX);
    let mut connect = authenticated(options)?
        .name("order-processor")
        .connection_timeout(CONNECT_TIMEOUT)
        .ping_interval(PING_INTERVAL)
        .client_capacity(COMMANDS_MAX)
        .skip_subject_validation(true) // they are made of valid ids
        .reconnect_delay_callback(pause)
        .event_callback(move |event| {
            let sender = sender.clone();
            async move { drop(sender.try_send(event)) }
        });
    if let Some(ca) = &options.tls_ca {
        readable(ca)?;
        connect = connect.add_root_certificates(ca.clone()).require_tls(true);
    }
    if let Some((certificate, key)) = &options.tls_identity {
        readable(certificate)?;
        readable(key)?;
        connect = connect
            .add_client_certificate(certificate.clone(), key.clone())
            .require_tls(true);
    }
    Ok((connect, events))
}

/// Options with the credentials. A password and a token are read again for each
/// connection, so that a server whose secret was changed is reached once the
/// file is.
fn authenticated(options: &Options) -> Result<ConnectOptions, NatsError> {
    let new = ConnectOptions::new();
    Ok(match &options.credentials {
        None => new,
        Some(Credentials::User {
            name,
            password_file,
        }) => {
            let name = name.clone();
            read_again(password_file, move |auth, password| {
                auth.username = Some(name.clone());
                auth.password = Some(password);
            })?
        }
        Some(Credentials::Token(file)) => read_again(file, |auth, token| auth.token = Some(token))?,
        Some(Credentials::NKey(file)) => new.nkey(secret(file)?),
        Some(Credentials::File(file)) => {
            let text = read(file)?;
            new.credentials(&text).map_err(|source| NatsError::Secret {
                file: file.clone(),
                source,
            })?
        }
    })
}

fn read_again(
    file: &Path,
    set: impl Fn(&mut Auth, String) + Send + Sync + 'static,
) -> Result<ConnectOptions, NatsError> {
    secret(file)?; // one that is missing now ends the start
    let file = file.to_owned();
    Ok(ConnectOptions::with_auth_callback(move |_nonce| {
        let mut auth = Auth::new();
        let read = secret(&file).map(|secret| set(&mut auth, secret));
        ready(read.map(|()| auth).map_err(AuthError::new))
    }))
}

/// Checks what the server said when it was connected to.
pub(super) fn check_server(client: &Client, options: &Options) -> Result<(), NatsError> {
    let info = client.server_info();
    if version(&info.version).is_none_or(|version| version < VERSION_MIN) {
        return Err(NatsError::TooOld {
            server: info.server_name,
            version: info.version,
            least: VERSION_MIN_TEXT,
        });
    }
    if !info.jetstream {
        return Err(NatsError::NoJetStream(info.server_name));
    }
    let needed = options.order_bytes_max + message::OVERHEAD_BYTES;
    if info.max_payload < needed {
        return Err(NatsError::MaxPayload {
            max_payload: info.max_payload,
            needed,
        });
    }
    Ok(())
}

/// How long to wait before this attempt: longer each time, and each instance
/// another time.
pub(super) fn pause(attempt: usize) -> Duration {
    let doublings = attempt.saturating_sub(1).min(8) as u32;
    jittered((PAUSE_MIN * 2_u32.pow(doublings)).min(PAUSE_MAX))
}

/// Half of it to all of it.
pub(super) fn jittered(time: Duration) -> Duration {
    let mut random = [0; 2];
    // Without random numbers: no jitter.
    let _ = getrandom::fill(&mut random);
    let share = f64::from(u16::from_le_bytes(random)) / f64::from(u16::MAX);
    time.mul_f64(0.5 + share / 2.0)
}

fn version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split('.');
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

/// The first line of a file that holds a secret.
fn secret(file: &Path) -> Result<String, NatsError> {
    let text = read(file)?;
    Ok(text.lines().next().unwrap_or_default().trim().to_owned())
}

fn read(file: &Path) -> Result<String, NatsError> {
    std::fs::read_to_string(file).map_err(|source| NatsError::Secret {
        file: file.to_owned(),
        source,
    })
}

/// The crate reads certificates when it connects, and would try for ever.
fn readable(file: &Path) -> Result<(), NatsError> {
    read(file).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_to_a_limit_and_differ() {
        for attempt in [0, 1, 2, 5, 9, 100, usize::MAX] {
            let pause = pause(attempt);
            assert!((PAUSE_MIN / 2..=PAUSE_MAX).contains(&pause), "{pause:?}");
        }
        assert!(pause(100) >= PAUSE_MAX / 2);
        let first = pause(100);
        assert!((0..100).any(|_| pause(100) != first));
    }

    #[test]
    fn versions() {
        assert_eq!(version("2.15.1"), Some((2, 15)));
        assert_eq!(version("2.9.22-beta.1"), Some((2, 9)));
        assert_eq!((version(""), version("two.one")), (None, None));
        assert!(version("10.0.0") > Some(VERSION_MIN));
    }
}
