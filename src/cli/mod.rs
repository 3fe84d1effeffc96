//! The command line: one file a subcommand.
//!
//! Those that concern the running daemon ask it over its admin socket (`admin`).

mod admin;
pub mod check;
mod config;
#[cfg(feature = "demo")]
mod demo;
mod diagnose;
mod discover;
mod entropy;
mod explain;
mod generate;
pub mod join_test;
#[cfg(feature = "kerberos")]
mod keytab;
pub mod manual;
mod memory;
mod page;
mod run;
mod secret;
mod setup;
mod status;
mod top;
mod trust;
mod user;

use std::process::ExitCode;

use clap::{FromArgMatches as _, Parser, Subcommand};

/// An on-premises calendar connector: Exchange calendars to a collaboration cloud, sealed.
///
/// Exit codes: 0 done, and all is well; 1 it failed, and the last line says why and what to do, or
/// (status, check, user show) something is wrong, which is shown with what to do; 2 the command
/// line or the configuration is wrong; 3 the running service cannot be reached; 4 this user is not
/// allowed to.
#[derive(Parser, Debug)]
#[command(name = "calway", version, about, max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

/// What each is for stands with its own arguments: a text here would hide all but its first line.
#[derive(Subcommand, Debug)]
enum Command {
    Setup(Box<setup::Setup>),
    Run(run::Run),
    Config(config::Config),
    Check(check::Check),
    Status(status::Status),
    User(user::User),
    Diagnose(diagnose::Diagnose),
    Top(top::Top),
    Discover(discover::Discover),
    JoinTest(join_test::JoinTest),
    Trust(trust::Trust),
    Secret(secret::Secret),
    #[cfg(feature = "demo")]
    Demo(demo::Demo),
    Completions(generate::Completions),
    #[command(hide = true)]
    Generate(generate::Generate),
}

/// How a command ended badly.
pub(crate) enum Failure {
    /// The command line or the configuration is wrong: exit code 2.
    Usage(String),
    /// It did not work: exit code 1.
    Failed(String),
    /// It was shown that something is wrong: exit code 1, and nothing more to say.
    Unwell,
    /// The running service does not answer: exit code 3.
    Unreachable(String),
    /// The running service does not take orders from this user: exit code 4.
    NotAllowed(String),
}

/// Reads the command line, does what it says, and tells the exit code.
pub fn main() -> ExitCode {
    let given = manual::command_line().get_matches();
    // What it took it understands.
    let arguments = Arguments::from_arg_matches(&given).unwrap_or_else(|error| error.exit());
    let done = entropy::wait().and_then(|()| match arguments.command {
        Command::Setup(setup) => memory::close().and_then(|()| setup.run()),
        Command::Run(run) => run.run(),
        Command::Config(config) => config.run(),
        Command::Check(check) => memory::close().and_then(|()| check.run()),
        Command::Status(status) => status.run(),
        Command::User(user) => user.run(),
        Command::Diagnose(diagnose) => diagnose.run(),
        Command::Top(top) => top.run(),
        Command::Discover(discover) => memory::close().and_then(|()| discover.run()),
        Command::JoinTest(join_test) => join_test.run(),
        Command::Trust(trust) => trust.run(),
        Command::Secret(secret) => memory::close().and_then(|()| secret.run()),
        #[cfg(feature = "demo")]
        Command::Demo(demo) => demo.run(),
        Command::Completions(completions) => completions.run(),
        Command::Generate(generate) => generate.run(),
    });
    let (code, why) = match done {
        Ok(()) => return ExitCode::SUCCESS,
        Err(Failure::Unwell) => return ExitCode::FAILURE,
        Err(Failure::Failed(why)) => (1, why),
        Err(Failure::Usage(why)) => (2, why),
        Err(Failure::Unreachable(why)) => (3, why),
        Err(Failure::NotAllowed(why)) => (4, why),
    };
    eprintln!("calway: {why}");
    ExitCode::from(code)
}
