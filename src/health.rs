//! `health`: asks a running service, for a container's or a supervisor's check.

use std::io;
use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::process::ExitCode;
use std::time::Duration;

use order_processor::config::Health;

use crate::{exit, log};

/// For each of connecting, asking and the reply.
const TIMEOUT: Duration = Duration::from_secs(2);

/// Exit code 0 if the service answers 200, else 1 and a line that says why.
pub(crate) fn ask(health: &Health) -> ExitCode {
    let path = if health.ready { "/readyz" } else { "/healthz" };
    match status_line(health, path) {
        Ok(line) if line.split(' ').nth(1) == Some("200") => ExitCode::SUCCESS,
        Ok(line) => {
            log::say(format_args!(
                "{path} on {}: {}",
                health.address,
                line.trim_end()
            ));
            exit::FAILED.into()
        }
        Err(error) => {
            let late = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
            if late.contains(&error.kind()) {
                let seconds = TIMEOUT.as_secs();
                log::say(format_args!(
                    "{path} on {}: no answer within {seconds} s",
                    health.address
                ));
            } else {
                log::say(format_args!("{path} on {}: {error}", health.address));
            }
            exit::FAILED.into()
        }
    }
}

fn status_line(health: &Health, path: &str) -> io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&health.address, TIMEOUT)?;
    stream.set_read_timeout(Some(TIMEOUT))?;
    stream.set_write_timeout(Some(TIMEOUT))?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes())?;
    let mut line = String::new();
    BufReader::new(stream).read_line(&mut line)?;
    Ok(line)
}
