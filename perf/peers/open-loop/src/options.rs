//! The command line.

use std::net::SocketAddr;

use crate::schedule::Arrivals;

pub struct Options {
    pub address: SocketAddr,
    /// Orders a second.
    pub rate: f64,
    pub arrivals: Arrivals,
    pub connections: usize,
    pub seconds: u64,
    pub warmup: u64,
}

pub fn parse(mut arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let (mut address, mut rate) = (None, None);
    let (mut arrivals, mut connections, mut seconds, mut warmup) = (Arrivals::Poisson, 64, 5, 1);
    while let Some(flag) = arguments.next() {
        let value = arguments.next().ok_or(format!("{flag} needs a value"))?;
        let bad = || format!("{flag} can't be {value}");
        match &*flag {
            "--address" => address = Some(value.parse().map_err(|_| bad())?),
            "--rate" => {
                let wanted: f64 = value.parse().map_err(|_| bad())?;
                if !(wanted > 0.0 && wanted.is_finite()) {
                    return Err(bad());
                }
                rate = Some(wanted);
            }
            "--arrivals" => {
                arrivals = match &*value {
                    "poisson" => Arrivals::Poisson,
                    "constant" => Arrivals::Constant,
                    _ => return Err(bad()),
                }
            }
            "--connections" => connections = positive(&value).ok_or_else(bad)? as usize,
            "--seconds" => seconds = positive(&value).ok_or_else(bad)?,
            "--warmup" => warmup = value.parse().map_err(|_| bad())?,
            _ => return Err(format!("{flag} is not known")),
        }
    }
    Ok(Options {
        address: address.ok_or("--address is needed")?,
        rate: rate.ok_or("--rate is needed")?,
        arrivals,
        connections,
        seconds,
        warmup,
    })
}

fn positive(text: &str) -> Option<u64> {
    text.parse().ok().filter(|&number| number > 0)
}
