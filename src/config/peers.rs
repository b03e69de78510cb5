//! The flags of what is in front: proxies that are trusted, and how much one
//! client address may do.

use clap::{ArgAction, Args};

use crate::config::rate::RequestRate;
use crate::config::value;
use crate::peer::Networks;

/// Where requests come from.
#[derive(Args, Clone, Debug, Default, PartialEq)]
pub struct Peers {
    /// Addresses and networks of proxies, as in 10.0.0.0/8,fd00::7; what they
    /// say in Forwarded and X-Forwarded-For is who asks. What others say there
    /// is not read [default: none]
    #[arg(id = "trusted_proxies", long = "trusted-proxies", value_name = "LIST", value_parser = value::networks)]
    pub trusted_proxies: Option<Networks>,

    /// PROXY protocol 2 from trusted proxies; on or off, and without a value
    /// on. Each connection of theirs to the order port and the gRPC port must
    /// begin with it, before TLS
    #[arg(id = "proxy_protocol", long = "proxy-protocol", value_name = "WHETHER", default_value = "off", default_missing_value = "on", num_args = 0..=1, action = ArgAction::Set, value_parser = value::switch)]
    pub proxy_protocol: bool,

    /// Requests of one client address; see also --client-burst and
    /// --client-inflight. An order of a batch or a stream counts as one, and an
    /// IPv6 address counts with its /64. Not with --token-file, whose lines
    /// have rates of their own [default: none]
    #[arg(id = "client_rate", long = "client-rate", value_name = "N/s", value_parser = value::rate)]
    pub client_rate: Option<RequestRate>,

    /// How many of them may come at once (1 to 1000000); without it, as many as
    /// in a second [default: none]
    #[arg(id = "client_burst", long = "client-burst", value_name = "REQUESTS", value_parser = value::rate_count)]
    pub client_burst: Option<u32>,

    /// Requests of one client address without their reply (1 to 1000000); a
    /// batch, a stream and a follower count as one each [default: none]
    #[arg(id = "client_inflight", long = "client-inflight", value_name = "REQUESTS", value_parser = value::rate_count)]
    pub client_inflight: Option<u32>,
}
