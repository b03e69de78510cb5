//! What the program is asked to do: to serve, or to look at a journal.
//!
//! `journal` is told by the first word, so that the service's flags and the
//! tools' don't meet.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{ArgMatches, Args, FromArgMatches};

use crate::config::usage::{Given, UsageError, one_line};
use crate::config::{Config, value};

/// What the program is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Run the service.
    Serve(Box<Config>),
    /// Read every byte of the journal in this directory and say whether it is
    /// whole.
    Verify(PathBuf),
    /// Print outcomes from a journal.
    Cat(Cat),
}

/// What to print, and from where.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct Cat {
    /// Directory of the journal
    #[arg(skip)]
    pub data_dir: PathBuf,

    /// Sequence behind which to begin [default: the oldest that is kept is the first]
    #[arg(long, value_name = "SEQ")]
    pub after: Option<u64>,

    /// Outcomes to print at most [default: all]
    #[arg(long, value_name = "N")]
    pub limit: Option<u64>,
}

/// The variable of `--data-dir`.
const DATA_DIR: &str = "ORDERS_DATA_DIR";

impl Command {
    /// Parses a command line (its first word is the program) with the variables
    /// of this process.
    ///
    /// # Errors
    /// [`UsageError`] for `--help`, `--version` and bad usage; print it and
    /// exit with its code.
    pub fn try_parse<A>(args: A) -> Result<Self, UsageError>
    where
        A: IntoIterator<Item: Into<OsString>>,
    {
        let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
        if args.get(1).is_some_and(|word| word == "journal") {
            journal(args, std::env::var_os(DATA_DIR))
        } else {
            Config::try_parse(args).map(|config| Self::Serve(Box::new(config)))
        }
    }
}

/// The tools as clap sees them.
fn tools() -> clap::Command {
    let data_dir = clap::Arg::new("data-dir")
        .long("data-dir")
        .value_name("DIR")
        .help(format!(
            "Directory of the journal [env: {DATA_DIR}] [default: ./data]"
        ))
        .value_parser(value::path);
    let verify = clap::Command::new("verify")
        .about("Read every byte and say whether the journal is whole")
        .after_help(
            "Prints a summary. Exit codes: 0 whole, 1 damaged or not to be read (standard error\n\
             names the first damage), 2 bad usage.",
        )
        .arg(data_dir.clone());
    let cat = clap::Command::new("cat")
        .about("Print outcomes, a line of JSON each, as GET /orders does")
        .after_help(
            "Exit codes: 0 all printed, 1 damaged, not to be read or no longer kept, 2 bad usage.",
        )
        .arg(data_dir);
    let tools = clap::Command::new("journal")
        .about(
            "Looks at the journal in a data directory; changes nothing, and may be used beside a\n\
             running service",
        )
        .subcommand_required(true)
        .disable_help_subcommand(true)
        .subcommand(verify)
        .subcommand(
            Cat::augment_args(cat)
                .about("Print outcomes, a line of JSON each, as GET /orders does"),
        );
    clap::Command::new("order-processor")
        .bin_name("order-processor")
        .max_term_width(100)
        .subcommand(tools)
}

/// `journal verify` and `journal cat`; `variable` is `ORDERS_DATA_DIR`.
fn journal(args: Vec<OsString>, variable: Option<OsString>) -> Result<Command, UsageError> {
    let condense =
        |error| UsageError::condense(error, |flag, value| Given::Flag(flag.into(), value.into()));
    if let Some(word) = args.iter().find(|arg| arg.to_str().is_none()) {
        let shown = one_line(&word.to_string_lossy());
        return Err(UsageError::Words(format!("{shown}: is not UTF-8")));
    }
    let matches = tools().try_get_matches_from(args).map_err(condense)?;
    let (name, matches) = matches
        .subcommand()
        .and_then(|(_, journal)| journal.subcommand())
        .expect("clap requires both");
    let data_dir = data_dir(matches, variable)?;
    if name == "verify" {
        return Ok(Command::Verify(data_dir));
    }
    let cat = Cat::from_arg_matches(matches).map_err(condense)?;
    Ok(Command::Cat(Cat { data_dir, ..cat }))
}

/// The flag, or else the variable, or else the default.
fn data_dir(matches: &ArgMatches, variable: Option<OsString>) -> Result<PathBuf, UsageError> {
    if let Some(dir) = matches.get_one::<PathBuf>("data-dir") {
        return Ok(dir.clone());
    }
    let Some(dir) = variable else {
        return Ok(Config::default().data_dir);
    };
    match dir.to_str() {
        Some(text) if !text.is_empty() => Ok(text.into()),
        _ => Err(UsageError::Value {
            given: Given::Variable(DATA_DIR.into(), dir.to_string_lossy().into_owned()),
            why: "is empty or not UTF-8: unset it or give it a value".into(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str], variable: Option<&str>) -> Result<Command, String> {
        let words = ["order-processor", "journal"].iter().chain(words);
        journal(words.map(Into::into).collect(), variable.map(Into::into))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_directory_comes_from_flag_variable_or_default() {
        for (words, variable, dir) in [
            (&["verify"][..], None, "./data"),
            (&["verify"], Some("/srv"), "/srv"),
            (&["verify", "--data-dir", "/d"], Some("/srv"), "/d"),
        ] {
            assert_eq!(parse(words, variable), Ok(Command::Verify(dir.into())));
        }
        let empty = parse(&["verify"], Some("")).unwrap_err();
        assert!(empty.starts_with("ORDERS_DATA_DIR="), "{empty}");
    }

    #[test]
    fn cat_takes_a_place_and_a_limit() {
        let cat = |after, limit| {
            Ok(Command::Cat(Cat {
                data_dir: "/d".into(),
                after,
                limit,
            }))
        };
        let words = ["cat", "--data-dir=/d", "--after", "17", "--limit", "3"];
        assert_eq!(parse(&words, None), cat(Some(17), Some(3)));
        assert_eq!(parse(&words[..2], None), cat(None, None));
    }

    #[test]
    fn bad_usage_is_told() {
        for (words, told) in [
            (&[][..], "requires a subcommand"),
            (&["look"], "look"),
            (&["verify", "--after", "1"], "--after: no such flag"),
            (&["verify", "--data-dir", ""], "--data-dir"),
            (&["verify", "/d"], "/d"),
            (&["cat", "--after", "-1"], "-1"),
            (&["cat", "--limit", "many"], "--limit many"),
            (&["cat", "--after", "1", "--after", "2"], "more than once"),
        ] {
            let error = parse(words, None).expect_err("bad usage");
            assert!(error.contains(told), "{words:?}: {error}");
        }
    }
}
