//! `config`: the settings in force, and where each comes from.

use std::ffi::OsString;

use clap::parser::ValueSource;
use clap::{Arg, ArgMatches};

use crate::config::limits::{TableFormat, take_format};
use crate::config::parse::{Parsed, Variables, command, matches, utf8, variable};
use crate::config::usage::UsageError;

/// A flag's value as it was written, which is as an operator reads it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// The flag without its dashes.
    pub flag: String,
    /// Its value; `none` if it has no default.
    pub value: String,
    /// `--flag`, the variable's name, or `default`.
    pub source: String,
}

/// Parses a command line whose second word is `config`.
pub(super) fn parse(
    args: Vec<OsString>,
    env: &Variables,
) -> Result<(Vec<Setting>, Vec<String>, TableFormat), UsageError> {
    let (format, args) = take_format(args)?;
    let words = utf8(args.into_iter().skip(1))?;
    let Parsed { typed, all, config } = matches(&words, env)?;
    let command = command();
    let flags = command.get_arguments().filter_map(Arg::get_long);
    Ok((
        flags.map(|flag| setting(flag, &typed, &all)).collect(),
        config.warnings,
        format,
    ))
}

fn setting(flag: &str, typed: &ArgMatches, all: &ArgMatches) -> Setting {
    let id = flag.replace('-', "_");
    let given = |matches: &ArgMatches| matches.value_source(&id) == Some(ValueSource::CommandLine);
    let source = match (given(typed), given(all)) {
        (true, _) => format!("--{flag}"),
        (false, true) => variable(flag),
        (false, false) => "default".to_owned(),
    };
    let value = all.get_raw(&id).map_or_else(
        || "none".to_owned(),
        |values| {
            let values: Vec<_> = values.map(|value| value.to_string_lossy()).collect();
            values.join(",")
        },
    );
    Setting {
        flag: flag.to_owned(),
        value,
        source,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(words: &[&str], env: &[(&str, &str)]) -> Result<Vec<Setting>, String> {
        let args = ["order-processor", "config"].iter().chain(words);
        let env = env.iter().map(|(name, value)| (name.into(), value.into()));
        parse(args.map(Into::into).collect(), &env.collect())
            .map(|(settings, ..)| settings)
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_flag_has_its_value_and_where_it_comes_from() {
        let env = [("ORDERS_WORKERS", "4"), ("ORDERS_MAX_BODY", "1KiB")];
        let settings = shown(&["--max-body", "2KiB"], &env).unwrap();
        let of = |flag| {
            let setting = settings.iter().find(|setting| setting.flag == flag);
            let setting = setting.expect("every flag is listed");
            (setting.value.as_str(), setting.source.as_str())
        };
        assert_eq!(of("max-body"), ("2KiB", "--max-body"));
        assert_eq!(of("workers"), ("4", "ORDERS_WORKERS"));
        assert_eq!(of("queue-capacity"), ("65536", "default"));
        assert_eq!(of("retain-bytes"), ("none", "default"));
    }

    #[test]
    fn what_would_not_start_is_not_shown() {
        let error = shown(&[], &[("ORDERS_WORKERS", "0")]).unwrap_err();
        assert!(error.starts_with("ORDERS_WORKERS=0"), "{error}");
        let error = shown(&["--max-body", "1MiB", "--body-bytes", "1KiB"], &[]).unwrap_err();
        assert!(error.contains("--body-bytes"), "{error}");
    }
}
