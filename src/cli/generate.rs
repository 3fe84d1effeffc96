//! `calway completions` and, for whoever builds packages, `calway generate`: what is made from the
//! command line's own description.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand, ValueEnum};
use clap_complete::Shell;

use super::Failure;
use super::manual::command_line;

/// Print what makes a shell complete these commands.
///
/// Packages install them already. By hand, for one's own shell:
/// calway completions bash > ~/.local/share/bash-completion/completions/calway
#[derive(Args, Debug)]
pub(super) struct Completions {
    /// For which shell.
    #[arg(value_enum)]
    shell: Shell,
}

impl Completions {
    pub(super) fn run(self) -> Result<(), Failure> {
        let mut out = Vec::new();
        clap_complete::generate(self.shell, &mut command_line(), "calway", &mut out);
        io::stdout().write_all(&out).map_err(|why| Failure::Failed(why.to_string()))
    }
}

/// Write what packages install beside the program.
///
/// Man pages and completions as files.
#[derive(Args, Debug)]
pub(super) struct Generate {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand, Debug)]
enum What {
    /// A man page for the program and for each subcommand.
    Man {
        /// The folder, which is made.
        folder: PathBuf,
    },
    /// A file for each shell.
    Completions {
        /// The folder, which is made.
        folder: PathBuf,
    },
}

impl Generate {
    pub(super) fn run(self) -> Result<(), Failure> {
        let done = match &self.what {
            What::Man { folder } => man(folder),
            What::Completions { folder } => completions(folder),
        };
        done.map_err(|why| Failure::Failed(why.to_string()))
    }
}

fn man(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    clap_mangen::generate_to(command_line(), folder)
}

fn completions(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for shell in Shell::value_variants() {
        clap_complete::generate_to(*shell, &mut command_line(), "calway", folder)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).expect("a folder");
        let name = |entry: fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<_> = entries.map(|entry| name(entry.expect("an entry"))).collect();
        names.sort();
        names
    }

    #[test]
    fn every_command_that_people_type_has_its_page() {
        let folder = tempfile::tempdir().expect("a folder");
        man(folder.path()).expect("pages");
        let pages = names(folder.path());
        for one in command_line().get_subcommands().filter(|one| !one.is_hide_set()) {
            let page = format!("calway-{}.1", one.get_name());
            assert!(pages.contains(&page), "{page} in {pages:?}");
        }
        let hidden = |page: &String| page.starts_with("calway-generate");
        assert!(!pages.iter().any(hidden), "{pages:?}");
        let text = fs::read_to_string(folder.path().join("calway-run.1")).expect("a page");
        assert!(
            text.contains("calway\\-run") && text.contains("/etc/calway/calway.toml"),
            "{text}"
        );
    }

    #[test]
    fn a_shell_completes_the_commands() {
        let folder = tempfile::tempdir().expect("a folder");
        completions(folder.path()).expect("completions");
        assert_eq!(names(folder.path()).len(), Shell::value_variants().len());
        let bash = fs::read_to_string(folder.path().join("calway.bash")).expect("for bash");
        assert!(bash.contains("join-test") && bash.contains("--config"));
    }
}
