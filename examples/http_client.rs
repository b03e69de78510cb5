//! A client over plain HTTP: submits orders, retries where that is safe,
//! follows the feed.
//!
//! ```text
//! cargo run --release                                    # the service
//! cargo run --release --example http_client              # in another terminal
//! cargo run --release --example http_client 10.0.0.7:8080 500
//! ```
//!
//! Two rules matter: an order keeps its id however often it is sent, so a retry
//! after a 503 or a broken connection can't duplicate it; and a reader of the
//! feed remembers the last sequence it has seen and continues from there.

use std::error::Error;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use std::{env, process, thread};

use serde::Deserialize;

/// Attempts for one order.
const TRIES: u32 = 20;
/// Seconds that the feed waits for a new outcome.
const WAIT: u64 = 5;

/// What every outcome has. The text it came as is kept beside it: parsed as
/// numbers, decimals would be rounded.
#[derive(Deserialize)]
struct Outcome {
    id: String,
    seq: u64,
    #[serde(skip)]
    text: String,
}

impl Outcome {
    fn parse(text: &[u8]) -> Result<Self> {
        let text = str::from_utf8(text)?.trim_end().to_owned();
        Ok(Self {
            text: text.clone(),
            ..serde_json::from_str(&text)?
        })
    }
}

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// One connection, opened again when it breaks.
struct Client {
    address: String,
    open: Option<BufReader<TcpStream>>,
}

struct Reply {
    status: u16,
    retry_after: Option<u64>,
    body: Vec<u8>,
}

impl Client {
    fn new(address: &str) -> Self {
        Self {
            address: address.to_owned(),
            open: None,
        }
    }

    /// Sends a request and reads its reply.
    fn ask(&mut self, method: &str, target: &str, body: &str) -> Result<Reply> {
        let reply = self.try_ask(method, target, body);
        if reply.is_err() {
            self.open = None; // its state is unknown
        }
        reply
    }

    fn try_ask(&mut self, method: &str, target: &str, body: &str) -> Result<Reply> {
        let connection = match &mut self.open {
            Some(connection) => connection,
            closed => {
                let stream = TcpStream::connect(&self.address)?;
                stream.set_read_timeout(Some(Duration::from_secs(60)))?;
                stream.set_nodelay(true)?;
                closed.insert(BufReader::new(stream))
            }
        };
        let (host, length) = (&self.address, body.len());
        let request = format!(
            "{method} {target} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n\
             Content-Length: {length}\r\n\r\n{body}"
        );
        connection.get_mut().write_all(request.as_bytes())?;

        let mut line = String::new();
        connection.read_line(&mut line)?;
        let status = line.split(' ').nth(1).ok_or("the connection was closed")?;
        let status = status.parse()?;
        let (mut length, mut retry_after, mut closes) = (0, None, false);
        loop {
            line.clear();
            connection.read_line(&mut line)?;
            let Some((name, value)) = line.trim_end().split_once(": ") else {
                break;
            };
            match &*name.to_ascii_lowercase() {
                "content-length" => length = value.parse()?,
                "retry-after" => retry_after = value.parse().ok(),
                "connection" => closes = value.eq_ignore_ascii_case("close"),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        connection.read_exact(&mut body)?;
        if closes {
            self.open = None;
        }
        Ok(Reply {
            status,
            retry_after,
            body,
        })
    }

    /// Submits an order until it has an outcome.
    fn submit(&mut self, order: &str) -> Result<Outcome> {
        for attempt in 0..TRIES {
            let pause = match self.ask("POST", "/submit", order) {
                // Processed; processed before; failed by the processor, which
                // is also final.
                Ok(reply) if matches!(reply.status, 200 | 201 | 422) => {
                    return Outcome::parse(&reply.body);
                }
                // Accepted, without an outcome yet: asking again waits for it.
                Ok(reply) if reply.status == 202 => Duration::from_millis(100),
                // Full, draining, recovering: send the same order again, with
                // the same id.
                Ok(reply) if matches!(reply.status, 429 | 503) => {
                    Duration::from_secs(reply.retry_after.unwrap_or(1))
                }
                Ok(reply) => return Err(String::from_utf8_lossy(&reply.body).into()),
                // It may have been accepted or not; the id makes a retry safe.
                Err(error) => {
                    eprintln!("{error}, trying again");
                    Duration::from_millis(100 << attempt.min(5))
                }
            };
            thread::sleep(pause);
        }
        Err("no outcome after many attempts".into())
    }

    /// The outcomes after a sequence, once there are any; none after [`WAIT`]
    /// without one.
    fn outcomes(&mut self, after: u64) -> Result<Vec<Outcome>> {
        let target = format!("/orders?after={after}&wait={WAIT}");
        let reply = self.ask("GET", &target, "")?;
        match reply.status {
            200 => {}
            503 => {
                thread::sleep(Duration::from_secs(reply.retry_after.unwrap_or(1)));
                return Ok(Vec::new());
            }
            _ => return Err(String::from_utf8_lossy(&reply.body).into()),
        }
        let lines = reply.body.split(|byte| *byte == b'\n');
        let lines = lines.filter(|line| !line.is_empty());
        lines.map(Outcome::parse).collect()
    }
}

fn main() -> Result<()> {
    let mut args = env::args().skip(1);
    let address = args.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let orders = args.next().map_or(Ok(10), |text| text.parse::<u64>())?;
    // Ids that no earlier run has used.
    let started = SystemTime::now().duration_since(UNIX_EPOCH)?.as_millis();
    let run = format!("http-{}-{started}", process::id());

    let mut client = Client::new(&address);
    let mut first = u64::MAX;
    for number in 0..orders {
        let order = format!(r#"{{"id":"{run}-{number}","value":{number}.50,"side":"buy"}}"#);
        let outcome = client.submit(&order)?;
        first = first.min(outcome.seq);
        println!("submitted {}", outcome.text);
    }

    let (mut after, mut missing) = (first.saturating_sub(1), orders);
    while missing > 0 {
        for outcome in client.outcomes(after)? {
            after = outcome.seq;
            if outcome.id.starts_with(&run) {
                missing -= 1;
                println!("feed {}", outcome.text);
            }
        }
    }
    Ok(())
}
