//! The table: each flag with values that pass and values that don't.

mod ledger;
mod limits;
mod peers;
mod ports;
mod process;

/// Flag, values that pass and what shows them in the parsed `Config`'s `Debug`
/// text, values that don't.
pub(super) type Row = (
    &'static str,
    &'static [(&'static str, &'static str)],
    &'static [&'static str],
);

pub(super) fn rows() -> impl Iterator<Item = &'static Row> {
    [
        ports::ROWS,
        peers::ROWS,
        process::ROWS,
        ledger::ROWS,
        limits::ROWS,
    ]
    .into_iter()
    .flatten()
}

/// What a flag is of no use without.
pub(super) fn companions(flag: &str) -> &'static [&'static str] {
    match flag {
        "tls-cert" => &["--tls-key=/k"],
        "tls-key" => &["--tls-cert=/c"],
        "tls-client-ca" => &["--tls-cert=/c", "--tls-key=/k"],
        "proxy-protocol" => &["--trusted-proxies=10.0.0.1"],
        "client-burst" => &["--client-rate=1/s"],
        _ => &[],
    }
}

const TIMES_BAD: &[&str] = &[
    "",
    " ",
    "0",
    "0ms",
    "0s",
    "999us",
    "30",
    "1m30",
    "-1s",
    "+1s",
    "61m",
    "1h 1ms",
    "3600001ms",
    "s",
    "5S",
    "5x",
    "1d",
    "1M",
    "1e3s",
    "99999999999999999999h",
    "18446744073709551615s 1000ms",
];
const COUNTS_BAD: &[&str] = &[
    "",
    "0",
    "-1",
    "+1",
    "1.5",
    "x",
    "1k",
    "99999999999999999999999",
];
