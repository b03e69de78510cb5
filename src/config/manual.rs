//! The man page and the completions for a shell, from the same table of flags
//! as the parser.

use std::ffi::OsString;

use clap::Command;
use clap::builder::PossibleValuesParser;
use clap_complete::Shell;

use crate::config::parse::flags;
use crate::config::usage::{Given, UsageError};

const NAME: &str = "order-processor";
const SHELLS: [(&str, Shell); 3] = [
    ("bash", Shell::Bash),
    ("fish", Shell::Fish),
    ("zsh", Shell::Zsh),
];

/// `man`: the page in roff(7).
pub(super) fn page(rest: &[OsString], tools: &Command) -> Result<Vec<u8>, UsageError> {
    if let Some(word) = rest.first() {
        let word = word.to_string_lossy();
        return Err(UsageError::Words(format!("{word}: man takes no argument")));
    }
    let man = clap_mangen::Man::new(whole(tools).after_help(
        "Times are written 250ms, 30s, 2m, 1h or 1h 30m; sizes 4096 (bytes), 64KiB, 1GiB or \
         10MB. A flag wins over its variable, the variable over the default.\n\nExit codes: 0 \
         drained clean, 1 could not start or run, 2 bad usage, 3 the drain deadline passed, 4 \
         the ledger failed for good.",
    ));
    let mut page = Vec::new();
    man.render(&mut page).expect("writing to memory succeeds");
    Ok(page)
}

/// `completions SHELL`: a script for it.
pub(super) fn completions(rest: &[OsString], tools: &Command) -> Result<Vec<u8>, UsageError> {
    let word = rest.first().map(|word| word.to_string_lossy());
    let name = word.as_deref().unwrap_or_default();
    let shell = SHELLS.iter().find(|(known, _)| *known == name);
    let (Some((_, shell)), 1) = (shell, rest.len()) else {
        return Err(UsageError::Value {
            given: Given::flag("completions", name),
            why: "must be one of bash, fish, zsh".to_owned(),
        });
    };
    let mut script = Vec::new();
    clap_complete::generate(*shell, &mut whole(tools), NAME, &mut script);
    Ok(script)
}

/// The service's flags, and the other commands: those of `tools`, too.
fn whole(tools: &Command) -> Command {
    let command = |name: &'static str, about: &'static str| Command::new(name).about(about);
    let shell = clap::Arg::new("shell")
        .required(true)
        .value_parser(PossibleValuesParser::new(SHELLS.map(|(name, _)| name)));
    flags()
        .no_binary_name(false)
        .subcommand(command("serve", "Run the service (the default)"))
        .subcommand(command(
            "config",
            "Print the settings in force and where they come from",
        ))
        .subcommand(command("limits", "Print what memory the service may take"))
        .subcommand(command(
            "health",
            "Ask a running service whether it is alive, or --ready",
        ))
        .subcommand(command("man", "Print this page"))
        .subcommand(command("completions", "Print completions for a shell").arg(shell))
        .subcommands(tools.get_subcommands().cloned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tools() -> Command {
        let verify = Command::new("verify");
        Command::new(NAME).subcommand(Command::new("journal").subcommand(verify))
    }

    #[test]
    fn the_page_has_every_flag_with_its_variable() {
        let page = String::from_utf8(page(&[], &tools()).unwrap()).unwrap();
        let page = page.replace('\\', "");
        for flag in flags().get_arguments().filter_map(clap::Arg::get_long) {
            assert!(page.contains(&format!("--{flag}")), "{flag}");
            let variable = format!("ORDERS_{}", flag.to_uppercase().replace('-', "_"));
            assert!(page.contains(&variable), "{variable}");
        }
        assert!(page.contains("Exit codes"));
    }

    #[test]
    fn completions_know_flags_and_commands() {
        for (shell, _) in SHELLS {
            let script = completions(&[shell.into()], &tools()).unwrap();
            let script = String::from_utf8(script).unwrap();
            for word in ["queue-capacity", "journal", "verify", "completions"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn other_words_are_refused() {
        for error in [
            page(&["x".into()], &tools()),
            completions(&[], &tools()),
            completions(&["tcsh".into()], &tools()),
        ] {
            assert_eq!(error.expect_err("bad usage").exit_code(), 2);
        }
    }
}
