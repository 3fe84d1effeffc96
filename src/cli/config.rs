//! `calway config show`: each value in force, and the file that it came from.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use super::{Failure, explain};

/// Show the configuration in force, and which file each value came from.
#[derive(Args, Debug)]
pub(super) struct Config {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// Show each value in force, and the file that it came from. No secret is among them.
    Show(Show),
}

/// What `calway run` would take for its settings now, which may be newer than what it runs with:
/// a changed file counts after `systemctl reload calway`, and some keys after a restart.
#[derive(Args, Debug)]
struct Show {
    /// The configuration; drop-ins are read from the folder beside it, calway.d/*.toml.
    #[arg(long, value_name = "FILE", default_value = "/etc/calway/calway.toml")]
    config: PathBuf,
    /// For machines: a JSON list of key, value, file.
    #[arg(long)]
    json: bool,
}

impl Config {
    pub(super) fn run(self) -> Result<(), Failure> {
        let What::Show(show) = self.what;
        print!("{}", explain::text(&show.config, show.json)?);
        Ok(())
    }
}
