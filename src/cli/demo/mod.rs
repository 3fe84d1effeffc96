//! `calway demo`: the lab's Exchange, cloud and key server on loopback with TLS, the real connector
//! against them in a process of its own, and a short story that shows what each side sees.

mod screen;
mod story;

use std::io::IsTerminal as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use self::screen::Screen;
use self::story::Story;
use super::Failure;

/// Show it: a simulated Exchange, cloud and key server, and the real connector between them.
///
/// Everything runs on this machine, over TLS on loopback; nothing is faked between Exchange and the
/// cloud. It exits 0 only if all of the story held.
#[derive(Args, Debug)]
pub(super) struct Demo {
    /// Tell the story without pauses.
    #[arg(long)]
    once: bool,
    /// End with one line of JSON: stored, opened, lost, duplicated, plaintext, decorated, created,
    /// away, latency_ms.
    #[arg(long)]
    json: bool,
    /// Keep everything that was written (store, configuration, log) in this folder.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

impl Demo {
    pub(super) fn run(self) -> Result<(), Failure> {
        let failed = |error: std::io::Error| Failure::Failed(error.to_string());
        let folder = match &self.state {
            Some(folder) => {
                std::fs::create_dir_all(folder).map_err(failed)?;
                if folder.join("calway.db").exists() {
                    return Err(Failure::Usage(format!(
                        "{} holds a store already: name an empty folder",
                        folder.display()
                    )));
                }
                folder.clone()
            }
            None => {
                let name = format!("calway-demo-{}", std::process::id());
                let folder = std::env::temp_dir().join(name);
                std::fs::create_dir_all(&folder).map_err(failed)?;
                folder
            }
        };
        let person = std::io::stdout().is_terminal();
        let pause =
            if self.once || !person { Duration::ZERO } else { Duration::from_millis(2_600) };
        let screen = Screen::new(person && std::env::var_os("NO_COLOR").is_none());
        let runtime =
            tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(failed)?;
        let told = runtime.block_on(async {
            let mut story = Story::begin(&folder, screen, pause).await?;
            story.tell().await
        });
        runtime.shutdown_timeout(Duration::from_secs(1));
        match &self.state {
            Some(folder) => println!("  Everything it wrote is in {}.", folder.display()),
            None => std::fs::remove_dir_all(&folder).map_err(failed)?,
        }
        let sums = told.map_err(Failure::Failed)?;
        if self.json {
            println!("{}", sums.json());
        }
        if sums.held() {
            Ok(())
        } else {
            Err(Failure::Failed("the story did not hold; see the lines marked ✗".into()))
        }
    }
}
