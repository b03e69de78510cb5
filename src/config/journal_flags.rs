//! The flags of `journal cat` and `journal salvage`.

use std::path::PathBuf;

use clap::Args;

use crate::clock::parse_rfc3339;
use crate::config::bad_value::BadValue;
use crate::config::limits::{TableFormat, table_format};
use crate::config::value;

/// Which outcomes to print, and from which journal.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Cat {
    /// Directory of the journal [env: ORDERS_DATA_DIR]
    #[arg(long, value_name = "DIR", default_value = "./data", value_parser = value::path)]
    pub data_dir: PathBuf,

    /// Sequence after which to begin [default: begin at the oldest kept]
    #[arg(long, value_name = "SEQ", value_parser = whole_number)]
    pub after: Option<u64>,

    /// Begin with the first outcome that was committed at this time or later, as in
    /// 2026-01-31T12:00:00Z [default: begin at the oldest kept]
    #[arg(long, value_name = "RFC3339", value_parser = unix_nanos)]
    pub from_time: Option<u64>,

    /// End before the first outcome that was committed at this time or later
    #[arg(long, value_name = "RFC3339", value_parser = unix_nanos)]
    pub until_time: Option<u64>,

    /// Outcomes to print at most [default: all]
    #[arg(long, value_name = "N", value_parser = whole_number)]
    pub limit: Option<u64>,
}

/// Which damaged journal to read, and what to make of it.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Salvage {
    /// Directory to make; it must not exist
    #[arg(long, value_name = "DIR", value_parser = value::path)]
    pub to: PathBuf,

    /// Directory of the damaged journal [env: ORDERS_DATA_DIR]
    #[arg(long, value_name = "DIR", default_value = "./data", value_parser = value::path)]
    pub data_dir: PathBuf,

    /// Sequence in the run of outcomes that the new journal gets [default: the longest run]
    #[arg(long, value_name = "SEQ", value_parser = whole_number)]
    pub keep: Option<u64>,

    /// Format of the summary: text or json
    #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = table_format)]
    pub format: TableFormat,
}

/// A sequence, or a number of outcomes. A plus sign is none of it.
fn whole_number(text: &str) -> Result<u64, BadValue> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    let number = digits.then(|| text.parse().ok()).flatten();
    number.ok_or(BadValue::Form("a whole number below 2^64"))
}

fn unix_nanos(text: &str) -> Result<u64, BadValue> {
    parse_rfc3339(text).ok_or(BadValue::Form(
        "a time with its offset, as in 2026-01-31T12:00:00Z (RFC 3339)",
    ))
}

#[cfg(test)]
mod tests {
    use super::whole_number;

    #[test]
    fn a_whole_number_has_digits_only_and_fits() {
        assert_eq!(whole_number("0"), Ok(0));
        assert_eq!(whole_number("18446744073709551615"), Ok(u64::MAX));
        for text in ["", "x", "-1", "+1", "1.5", "18446744073709551616"] {
            assert!(whole_number(text).is_err(), "{text}");
        }
    }
}
