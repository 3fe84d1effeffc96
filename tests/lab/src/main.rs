//! The lab as a program: `calway-lab exchange …`, `calway-lab cloud …`.

use std::process::ExitCode;

use calway_lab::{cloud, exchange};
use clap::{Parser, Subcommand};

/// The simulated Exchange, cloud and key server.
#[derive(Parser)]
#[command(name = "calway-lab", version, about)]
struct Arguments {
    #[command(subcommand)]
    part: Part,
}

#[derive(Subcommand)]
enum Part {
    /// EWS and Autodiscover over HTTPS, with mailboxes and meetings.
    Exchange(exchange::program::Arguments),
    /// The relay's cloud and its key server.
    Cloud(cloud::program::Arguments),
}

#[tokio::main]
async fn main() -> ExitCode {
    let run = match Arguments::parse().part {
        Part::Exchange(arguments) => exchange::program::run(arguments).await,
        Part::Cloud(arguments) => cloud::program::run(arguments).await,
    };
    match run {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("calway-lab: {error}");
            ExitCode::FAILURE
        }
    }
}
