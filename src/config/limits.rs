//! `limits`: the flags of the service, and the format of the table.

use std::ffi::OsString;

use crate::config::bad_value::BadValue;
use crate::config::flags::Config;
use crate::config::usage::{Given, UsageError};

const FORMAT: &str = "--format";

/// `--format` of `limits`, `config` and `journal salvage`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Lines of text.
    Text,
    /// One JSON object.
    Json,
}

/// Parses a command line whose second word is `limits`.
pub(super) fn parse(args: Vec<OsString>) -> Result<(Config, TableFormat), UsageError> {
    let (format, args) = take_format(args)?;
    Ok((Config::try_parse(args)?, format))
}

/// Takes the format out, and the second word: the others are for the service.
pub(super) fn take_format(args: Vec<OsString>) -> Result<(TableFormat, Vec<OsString>), UsageError> {
    let mut format = None;
    let mut others = Vec::with_capacity(args.len());
    let mut words = args.into_iter();
    others.extend(words.next());
    words.next();
    while let Some(word) = words.next() {
        let text = word.to_string_lossy();
        let value = match text.strip_prefix(FORMAT) {
            Some("") => words.next().unwrap_or_default(),
            Some(rest) if rest.starts_with('=') => rest[1..].into(),
            _ => {
                others.push(word);
                continue;
            }
        };
        let text = value.to_string_lossy();
        let parsed = table_format(&text).map_err(|why| UsageError::Value {
            given: Given::flag(FORMAT, &text),
            why: why.to_string(),
        })?;
        if format.replace(parsed).is_some() {
            return Err(UsageError::Words(format!("{FORMAT}: given more than once")));
        }
    }
    Ok((format.unwrap_or(TableFormat::Text), others))
}

/// The value of `--format`.
pub(super) fn table_format(text: &str) -> Result<TableFormat, BadValue> {
    match text {
        "text" => Ok(TableFormat::Text),
        "json" => Ok(TableFormat::Json),
        _ => Err(BadValue::Form("one of text, json")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(words: &[&str]) -> Result<(TableFormat, Vec<OsString>), String> {
        let args = ["order-processor", "limits"].iter().chain(words);
        take_format(args.map(Into::into).collect()).map_err(|error| error.to_string())
    }

    #[test]
    fn the_format_is_not_a_flag_of_the_service() {
        let others = |words: &[&str]| words.iter().map(OsString::from).collect();
        assert_eq!(
            take(&[]),
            Ok((TableFormat::Text, others(&["order-processor"])))
        );
        for format in [&["--format", "json"][..], &["--format=json"]] {
            let words = [&["--workers", "2"][..], format].concat();
            let rest = others(&["order-processor", "--workers", "2"]);
            assert_eq!(take(&words), Ok((TableFormat::Json, rest)));
        }
    }

    #[test]
    fn bad_formats_are_named() {
        for (words, named) in [
            (&["--format"][..], "--format ''"),
            (&["--format=xml"], "--format xml"),
            (&["--format=json", "--format=text"], "more than once"),
        ] {
            let error = take(words).expect_err("bad usage");
            assert!(error.contains(named), "{error}");
        }
    }
}
