//! What the program is asked to do: run the service, or read a journal.
//!
//! The first word decides, so that the service's flags and the tools' don't
//! mix.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::parser::ValueSource;
use clap::{ArgMatches, FromArgMatches, Subcommand};

use crate::config::flags::Config;
use crate::config::health::Health;
use crate::config::journal_flags::{Cat, Salvage};
use crate::config::limits;
use crate::config::limits::TableFormat;
use crate::config::parse::{Variables, utf8, variable, variable_text};
use crate::config::settings::Setting;
use crate::config::usage::{Given, UsageError};
use crate::config::{health, manual, settings, value};

/// What the program is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Command {
    /// Run the service.
    Serve(Box<Config>),
    /// Print what memory the service may take with this configuration.
    Limits(Box<Config>, TableFormat),
    /// Print the settings in force.
    Settings {
        /// In the order of the man page.
        settings: Vec<Setting>,
        /// What is probably not meant.
        warnings: Vec<String>,
        /// How to print them.
        format: TableFormat,
    },
    /// Ask the service at this admin address whether it is alive, or ready.
    Health(Health),
    /// Print this text: the man page, or completions for a shell.
    Text(Vec<u8>),
    /// Read every byte of the journal in this directory and say whether it is
    /// whole.
    Verify(PathBuf),
    /// Print outcomes from a journal.
    Cat(Cat),
    /// Copy the journal in a data directory to another directory.
    Backup {
        /// The data directory.
        data_dir: PathBuf,
        /// The copy's directory.
        to: PathBuf,
    },
    /// Print a new token for the client of this name.
    NewToken(String),
    /// Make a new journal of what is whole in a damaged one.
    Salvage(Salvage),
    /// Copy a backup into a data directory, as another ledger.
    Restore {
        /// The backup.
        from: PathBuf,
        /// The data directory.
        data_dir: PathBuf,
    },
}

#[derive(Subcommand)]
enum Tool {
    /// Read every byte and say whether the journal is whole
    #[command(
        after_help = "Prints a summary. Exit codes: 0 whole, 1 damaged or unreadable (standard error\n\
                      names the first damage), 2 bad usage."
    )]
    Verify {
        /// Directory of the journal [env: ORDERS_DATA_DIR]
        #[arg(long, value_name = "DIR", default_value = "./data", value_parser = value::path)]
        data_dir: PathBuf,
    },
    /// Print outcomes, one JSON object a line, as GET /orders does
    #[command(
        after_help = "Exit codes: 0 all printed, 1 damaged, unreadable or no longer kept, 2 bad usage."
    )]
    Cat(Cat),
    /// Copy the journal, as it is at this moment, beside a running service
    #[command(
        after_help = "The copy keeps the ledger's id until a service starts on it. Exit codes: 0 copied,\n\
                      1 damaged or unreadable, or no place for the copy, 2 bad usage."
    )]
    Backup {
        /// Directory for the copy; it must be empty or not exist
        #[arg(long, value_name = "DIR", value_parser = value::path)]
        to: PathBuf,
        /// Directory of the journal [env: ORDERS_DATA_DIR]
        #[arg(long, value_name = "DIR", default_value = "./data", value_parser = value::path)]
        data_dir: PathBuf,
    },
    /// Make a new directory of all that is whole in a damaged journal
    #[command(
        after_help = "The damaged directory is only read, and locked meanwhile: stop the service before. Where\n\
                      outcomes are lost, the sequence has a hole; the new journal gets one run of outcomes\n\
                      without a hole, and those of all others are in its file salvage-rest.ndjson, as lines of\n\
                      the feed. salvage-report.json lists damages, runs and what is lost. The new journal has a\n\
                      new ledger id. Exit codes: 0 nothing is lost that can be known of, 3 outcomes are lost or\n\
                      outside of the new journal, 1 nothing was made, 2 bad usage."
    )]
    Salvage(Salvage),
    /// Copy a backup into a data directory, with a new ledger id
    #[command(
        after_help = "Readers of the feed see by the new id that the sequence has gone back. Exit codes:\n\
                      0 restored, 1 damaged or unreadable, or no place for it, 2 bad usage."
    )]
    Restore {
        /// Directory of the backup
        #[arg(long, value_name = "DIR", value_parser = value::path)]
        from: PathBuf,
        /// Data directory; it must be empty or not exist [env: ORDERS_DATA_DIR]
        #[arg(long, value_name = "DIR", default_value = "./data", value_parser = value::path)]
        data_dir: PathBuf,
    },
}

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
        match args.get(1).and_then(|word| word.to_str()) {
            Some("journal") => journal(args, &std::env::vars_os().collect()),
            Some("token") => token(args),
            Some("limits") => {
                let (config, format) = limits::parse(args)?;
                Ok(Self::Limits(Box::new(config), format))
            }
            Some("config") => {
                let env = std::env::vars_os().collect();
                let (settings, warnings, format) = settings::parse(args, &env)?;
                Ok(Self::Settings {
                    settings,
                    warnings,
                    format,
                })
            }
            Some("health") => health::parse(args, &std::env::vars_os().collect()).map(Self::Health),
            Some("man") => manual::page(&args[2..], &tools()).map(Self::Text),
            Some("completions") => manual::completions(&args[2..], &tools()).map(Self::Text),
            Some("help") if args.len() == 2 => {
                let help = [args[0].clone(), "--help".into()];
                Config::try_parse(help).map(|config| Self::Serve(Box::new(config)))
            }
            _ => Config::try_parse(args).map(|config| Self::Serve(Box::new(config))),
        }
    }
}

/// `token new NAME`.
fn token(args: Vec<OsString>) -> Result<Command, UsageError> {
    let from_clap = |error| UsageError::from_clap(error, Given::flag);
    let args = utf8(args.into_iter())?;
    let matches = tools().try_get_matches_from(args).map_err(from_clap)?;
    let (_, token) = matches.subcommand().expect("the first word is token");
    let (_, new) = token.subcommand().expect("clap requires one");
    let name: &String = new.get_one("NAME").expect("clap requires it");
    Ok(Command::NewToken(name.clone()))
}

fn token_tool() -> clap::Command {
    let name = clap::Arg::new("NAME")
        .required(true)
        .help("Whose it is: 1 to 64 of A-Z a-z 0-9 - _ .");
    let new = clap::Command::new("new")
        .about("Print a new random token and, on the next line, its line for --token-file")
        .after_help(
            "The line has the token's SHA-256 only. Options may follow it, as in\n\
             NAME:sha256:HEX scope=submit. Nothing is stored.",
        )
        .arg(name);
    clap::Command::new("token")
        .about("Makes bearer tokens for --token-file")
        .disable_help_subcommand(true)
        .subcommand_required(true)
        .subcommand(new)
}

/// `journal verify` and the other words.
fn journal(args: Vec<OsString>, env: &Variables) -> Result<Command, UsageError> {
    let from_clap = |error| UsageError::from_clap(error, Given::flag);
    let args = utf8(args.into_iter())?;
    let matches = tools().try_get_matches_from(args).map_err(from_clap)?;
    let (_, journal) = matches.subcommand().expect("the first word is journal");
    let tool = Tool::from_arg_matches(journal).map_err(from_clap)?;
    let (_, flags) = journal.subcommand().expect("clap requires one");
    Ok(match tool {
        Tool::Verify { data_dir } => Command::Verify(located(data_dir, flags, env)?),
        Tool::Backup { to, data_dir } => Command::Backup {
            data_dir: located(data_dir, flags, env)?,
            to,
        },
        Tool::Restore { from, data_dir } => Command::Restore {
            from,
            data_dir: located(data_dir, flags, env)?,
        },
        Tool::Salvage(salvage) => Command::Salvage(Salvage {
            data_dir: located(salvage.data_dir, flags, env)?,
            ..salvage
        }),
        Tool::Cat(cat) => Command::Cat(Cat {
            data_dir: located(cat.data_dir, flags, env)?,
            ..cat
        }),
    })
}

/// The directory typed, or that of the variable, or the default.
fn located(parsed: PathBuf, flags: &ArgMatches, env: &Variables) -> Result<PathBuf, UsageError> {
    if flags.value_source("data_dir") == Some(ValueSource::CommandLine) {
        return Ok(parsed);
    }
    let dir = variable_text(env, &variable("data-dir"))?;
    Ok(dir.map_or(parsed, Into::into))
}

fn tools() -> clap::Command {
    let journal = clap::Command::new("journal")
        .about(
            "Reads the journal in a data directory; changes nothing in it, and is safe beside a running\n\
             service",
        )
        .disable_help_subcommand(true);
    clap::Command::new("order-processor")
        .bin_name("order-processor")
        .max_term_width(100)
        .subcommand(Tool::augment_subcommands(journal).subcommand_required(true))
        .subcommand(token_tool())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str], variable: Option<&str>) -> Result<Command, String> {
        let words = ["order-processor", "journal"].iter().chain(words);
        let env = variable.map(|dir| ("ORDERS_DATA_DIR".into(), dir.into()));
        journal(words.map(Into::into).collect(), &env.into_iter().collect())
            .map_err(|error| error.to_string())
    }

    #[test]
    fn each_word_that_is_offered_is_a_command() {
        for word in crate::config::usage::COMMANDS {
            let parsed = Command::try_parse(["order-processor", word]);
            let error = parsed.err().map(|error| error.to_string());
            let is_unknown = |error: &String| error.contains("no such command");
            assert!(!error.as_ref().is_some_and(is_unknown), "{error:?}");
        }
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
    fn cat_takes_a_sequence_a_limit_and_times() {
        let cat = |after, limit, times: Option<[u64; 2]>| {
            Ok(Command::Cat(Cat {
                data_dir: "/d".into(),
                after,
                from_time: times.map(|times| times[0]),
                until_time: times.map(|times| times[1]),
                limit,
            }))
        };
        let words = ["cat", "--data-dir=/d", "--after", "17", "--limit", "3"];
        assert_eq!(parse(&words, None), cat(Some(17), Some(3), None));
        assert_eq!(parse(&words[..2], None), cat(None, None, None));
        let times = ["cat", "--data-dir=/d", "--from-time=1970-01-01T00:00:01Z"];
        let times = [&times[..], &["--until-time", "1970-01-01T02:00:02+02:00"]].concat();
        let want = [1_000_000_000, 2_000_000_000];
        assert_eq!(parse(&times, None), cat(None, None, Some(want)));
    }

    #[test]
    fn a_salvage_has_two_directories_a_run_and_a_format() {
        let salvage = |keep, format| {
            Ok(Command::Salvage(Salvage {
                to: "/new".into(),
                data_dir: "/d".into(),
                keep,
                format,
            }))
        };
        let words = ["salvage", "--to=/new", "--keep", "7", "--format=json"];
        let json = salvage(Some(7), TableFormat::Json);
        assert_eq!(parse(&words, Some("/d")), json);
        let text = salvage(None, TableFormat::Text);
        assert_eq!(parse(&words[..2], Some("/d")), text);
    }

    #[test]
    fn copies_have_two_directories() {
        let backup = Command::Backup {
            data_dir: "/d".into(),
            to: "/b".into(),
        };
        assert_eq!(parse(&["backup", "--to", "/b"], Some("/d")), Ok(backup));
        let restore = Command::Restore {
            from: "/b".into(),
            data_dir: "/d".into(),
        };
        let words = ["restore", "--from=/b", "--data-dir=/d"];
        assert_eq!(parse(&words, Some("/other")), Ok(restore));
    }

    #[test]
    fn a_token_is_for_a_name() {
        let parse = |words: &[&str]| {
            let words = ["order-processor", "token"].iter().chain(words);
            token(words.map(Into::into).collect()).map_err(|error| error.to_string())
        };
        assert_eq!(
            parse(&["new", "shop"]),
            Ok(Command::NewToken("shop".to_owned()))
        );
        for (words, named) in [
            (&[][..], "requires a subcommand"),
            (&["old"], "old"),
            (&["new"], "NAME"),
            (&["new", "a", "b"], "b"),
        ] {
            let error = parse(words).expect_err("bad usage");
            assert!(error.contains(named), "{words:?}: {error}");
        }
    }

    #[test]
    fn bad_usage_is_named() {
        for (words, named) in [
            (&[][..], "requires a subcommand"),
            (&["look"], "look"),
            (&["verify", "--after", "1"], "--after: no such flag"),
            (&["verify", "--data-dir", ""], "--data-dir"),
            (&["verify", "/d"], "/d"),
            (&["backup"], "--to"),
            (&["restore", "--to", "/b"], "--to"),
            (&["cat", "--after", "-1"], "-1"),
            (&["cat", "--from-time", "today"], "--from-time today"),
            (&["cat", "--until-time", "2026-01-31"], "--until-time"),
            (&["salvage"], "--to"),
            (
                &["salvage", "--to", "/n", "--format", "xml"],
                "--format xml",
            ),
            (&["cat", "--limit", "many"], "--limit many"),
            (&["cat", "--after", "1", "--after", "2"], "more than once"),
        ] {
            let error = parse(words, None).expect_err("bad usage");
            assert!(error.contains(named), "{words:?}: {error}");
        }
    }
}
