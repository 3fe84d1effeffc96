//! What a person sees in a terminal, and that the terminal is theirs again afterwards.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::{AsFd as _, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{LocalFlags, tcgetattr};
use rustix::termios::tcsetwinsize;

use super::socket;
use crate::house::{ALICE, BOB, House, PATIENCE, PROGRAM, talkative};

/// A terminal with the program in it.
struct Terminal {
    master: File,
    /// Kept, so that it can be looked at when the program is gone.
    slave: OwnedFd,
    program: Child,
    seen: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// `None` where util-linux is missing, which gives a program its terminal.
    fn open(house: &House, words: &[&str], size: (u16, u16), colour: bool) -> Option<Self> {
        let winsize = Winsize { ws_col: size.0, ws_row: size.1, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&winsize), None).unwrap();
        let end = || Stdio::from(pair.slave.try_clone().unwrap());
        let mut command = Command::new("setsid");
        command.args(["--ctty", PROGRAM]).args(words).arg("--socket").arg(socket(house));
        command.env("TERM", "xterm-256color").env_remove("NO_COLOR");
        if !colour {
            command.env("NO_COLOR", "1");
        }
        let spawned = command.stdin(end()).stdout(end()).stderr(end()).spawn();
        drop(command);
        let Ok(program) = spawned else {
            eprintln!("SKIPPED: setsid (util-linux) is not here");
            return None;
        };
        let master = File::from(pair.master);
        let seen = Arc::<Mutex<Vec<u8>>>::default();
        let (mut reads, into) = (master.try_clone().unwrap(), seen.clone());
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(length @ 1..) = reads.read(&mut bytes) {
                into.lock().unwrap().extend(&bytes[..length]);
            }
        });
        Some(Self { master, slave: pair.slave, program, seen })
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.seen.lock().unwrap()).into_owned()
    }

    /// The pictures that are whole, as lines.
    fn pictures(&self) -> Vec<Vec<String>> {
        let text = self.text();
        let whole = text.split("\x1b[H").skip(1).filter_map(|one| one.split_once("\x1b[J"));
        // The terminal itself puts a carriage return before each line feed.
        let line = |line: &str| line.replace("\x1b[K", "").trim_end_matches('\r').to_owned();
        whole.map(|(picture, _)| picture.split('\n').map(line).collect()).collect()
    }

    fn resize(&self, (columns, rows): (u16, u16)) {
        let size =
            rustix::termios::Winsize { ws_col: columns, ws_row: rows, ws_xpixel: 0, ws_ypixel: 0 };
        tcsetwinsize(self.master.as_fd(), size).unwrap();
    }

    fn press(&mut self, keys: &[u8]) {
        self.master.write_all(keys).unwrap();
    }

    /// Whether keys are shown and read by lines, as in a shell.
    fn is_as_before(&self) -> bool {
        let flags = tcgetattr(&self.slave).unwrap().local_flags;
        flags.contains(LocalFlags::ECHO | LocalFlags::ICANON | LocalFlags::ISIG)
    }

    /// The exit code, once it is over.
    async fn ended(&mut self) -> i32 {
        let until = std::time::Instant::now() + PATIENCE;
        loop {
            if let Some(status) = self.program.try_wait().unwrap() {
                return status.code().unwrap_or(-1);
            }
            assert!(std::time::Instant::now() < until, "it does not end\n{}", self.text());
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// Whether the last picture fits, and is of that height where it is cut.
fn fits(terminal: &Terminal, (columns, rows): (u16, u16)) -> bool {
    let pictures = terminal.pictures();
    let Some(last) = pictures.last() else { return false };
    last.len() <= usize::from(rows)
        && last.iter().all(|line| line.chars().count() <= usize::from(columns))
}

const RESTORED: &str = "\x1b[?25h\x1b[?1049l";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn top_fills_the_terminal_follows_its_size_and_gives_it_back() {
    let house = House::active(talkative()).await;
    for at in 0..20 {
        house.meet(ALICE, &format!("Merger {at}"), at);
    }
    house.live(ALICE, 20).await;
    house.calendars().deny_impersonation(BOB.1, true);
    house.meet(BOB, "Strategy", 2);
    house.until("it fails", |house| house.log().contains("mailbox-failing")).await;
    let (small, large) = ((80, 24), (120, 40));
    let Some(mut terminal) = Terminal::open(&house, &["top"], small, true) else { return };
    let begun = |_: &House| !terminal.pictures().is_empty() && !terminal.is_as_before();
    house.until("there is a picture, and keys are not shown", begun).await;
    assert!(terminal.text().contains("\x1b[?1049h\x1b[?25l"), "{:?}", terminal.text());
    let first = terminal.pictures().remove(0);
    assert!(fits(&terminal, small), "{first:#?}");
    assert!(first[0].starts_with("calway 0"), "{first:#?}");
    let all = first.join("\n");
    for word in ["events from Exchange", "sent to the cloud", "WARNING", "mailbox-failing"] {
        assert!(all.contains(word), "{word}: {all}");
    }
    let many = |_: &House| terminal.pictures().len() >= 3;
    house.until("it goes on", many).await;
    show(&terminal, "80x24");
    terminal.resize((40, 10));
    let tiny = |_: &House| {
        let last = terminal.pictures().pop().unwrap();
        last.len() == 10 && fits(&terminal, (40, 10))
    };
    house.until("it is as small as the terminal", tiny).await;
    terminal.resize(large);
    let grown = |_: &House| terminal.pictures().pop().unwrap().len() > 10;
    house.until("it is whole again", grown).await;
    assert!(fits(&terminal, large));
    show(&terminal, "120x40");
    terminal.press(b"q");
    assert_eq!(terminal.ended().await, 0, "{:?}", terminal.text());
    house.until("the screen is left", |_| terminal.text().ends_with(RESTORED)).await;
    assert!(terminal.is_as_before(), "keys are shown again");
    for person in [ALICE.1, BOB.1, "Merger", "Strategy"] {
        assert!(!terminal.text().contains(person), "{person}");
    }
}

/// For whoever wants to look: `CALWAY_SHOW=1 cargo test --test it terminal -- --nocapture`.
fn show(terminal: &Terminal, what: &str) {
    if std::env::var_os("CALWAY_SHOW").is_some() {
        let last = terminal.pictures().pop().unwrap_or_default();
        eprintln!("---- {what}\n{}\n----", last.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn top_gives_the_terminal_back_whatever_ends_it() {
    let mut house = House::active(talkative()).await;
    for (what, code) in [("Ctrl-C", 0), ("SIGTERM", 0), ("the service stops", 3)] {
        let Some(mut terminal) = Terminal::open(&house, &["top"], (80, 24), true) else { return };
        let begun = |_: &House| !terminal.pictures().is_empty() && !terminal.is_as_before();
        house.until("there is a picture", begun).await;
        match what {
            "Ctrl-C" => terminal.press(&[3]),
            "SIGTERM" => {
                let pid = terminal.program.id().to_string();
                assert!(Command::new("kill").arg(pid).status().unwrap().success());
            }
            _ => house.stop().await,
        }
        assert_eq!(terminal.ended().await, code, "{what}: {:?}", terminal.text());
        house.until("the screen is left", |_| terminal.text().contains(RESTORED)).await;
        assert!(terminal.is_as_before(), "{what}: keys are shown again");
        let (_, after) =
            terminal.text().rsplit_once(RESTORED).map(|(a, b)| (a.len(), b.to_owned())).unwrap();
        assert_eq!(after.contains("systemctl status calway"), code == 3, "{what}: {after:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_terminal_has_colours_where_nobody_said_no() {
    let house = House::active(talkative()).await;
    house.calendars().deny_impersonation(BOB.1, true);
    house.meet(BOB, "Strategy", 2);
    house.until("it fails", |house| house.log().contains("mailbox-failing")).await;
    let size = (60, 24);
    let asked = [
        (&["status"][..], "\x1b[1;33mWARNING", "mailbox-failing"),
        (&["user", "show", BOB.0], "\x1b[1;31mfailing", "What to do"),
        (&["user", "show", ALICE.0], "\x1b[1;32mstreaming", "it is read when"),
    ];
    for (words, painted, whole) in asked {
        for colour in [true, false] {
            let Some(mut terminal) = Terminal::open(&house, words, size, colour) else { return };
            terminal.ended().await;
            house.until("all of it is there", |_| terminal.text().contains(whole)).await;
            let text = terminal.text();
            assert_eq!(text.contains(painted), colour, "{words:?}: {text}");
            assert_eq!(text.contains('\x1b'), colour, "{words:?}: {text}");
            if std::env::var_os("CALWAY_SHOW").is_some() && colour {
                eprintln!("---- {words:?}\n{text}\n----");
            }
        }
    }
}
