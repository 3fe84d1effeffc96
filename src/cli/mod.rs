//! The command line: one file a subcommand.
//!
//! Built: `run`, `demo`, `discover`, `trust`, `secret`, `join-test`, `completions`. Places are kept
//! for `check`, `status`, `user`, `diagnose`.

mod config;
#[cfg(feature = "demo")]
mod demo;
mod discover;
mod explain;
mod generate;
pub mod join_test;
#[cfg(feature = "kerberos")]
mod keytab;
mod run;
mod secret;
mod trust;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// An on-premises calendar connector: Exchange calendars to a collaboration cloud, sealed.
///
/// Exit codes: 0 done; 1 it failed, and the last line says why and what to do; 2 the command line
/// or the configuration is wrong.
#[derive(Parser, Debug)]
#[command(name = "calway", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand, Debug)]
enum Command {
    /// Run the connector: watch the calendars, relay sealed records, obey the cloud's commands.
    Run(run::Run),
    /// Show the configuration in force, and which file each value came from.
    Config(config::Config),
    /// Find out where a mailbox is served, and show each step on the way.
    Discover(discover::Discover),
    /// Show which address an invitation is joined by, and which rule chose it.
    JoinTest(join_test::JoinTest),
    /// Say which hosts that a discovery met may be sent the account's credentials.
    Trust(trust::Trust),
    /// Set, list and remove the secrets that the connector signs in with.
    Secret(secret::Secret),
    /// Show it: a simulated Exchange, cloud and key server, and the real connector between them.
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    /// Print what makes a shell complete these commands.
    Completions(generate::Completions),
    /// Write what packages install beside the program.
    #[command(hide = true)]
    Generate(generate::Generate),
}

/// How a command ended badly.
pub(crate) enum Failure {
    /// The command line or the configuration is wrong: exit code 2.
    Usage(String),
    /// It did not work: exit code 1.
    Failed(String),
}

/// Reads the command line, does what it says, and tells the exit code.
pub fn main() -> ExitCode {
    let done = match Arguments::parse().command {
        Command::Run(run) => run.run(),
        Command::Config(config) => config.run(),
        Command::Discover(discover) => discover.run(),
        Command::JoinTest(join_test) => join_test.run(),
        Command::Trust(trust) => trust.run(),
        Command::Secret(secret) => secret.run(),
        #[cfg(feature = "demo")]
        Command::Demo(demo) => demo.run(),
        Command::Completions(completions) => completions.run(),
        Command::Generate(generate) => generate.run(),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(why)) => {
            eprintln!("calway: {why}");
            ExitCode::from(2)
        }
        Err(Failure::Failed(why)) => {
            eprintln!("calway: {why}");
            ExitCode::FAILURE
        }
    }
}
