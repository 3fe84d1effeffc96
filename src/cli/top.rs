//! `calway top`: how everything goes, once a second.

use std::future::pending;
use std::io::{IsTerminal as _, Read as _, Write as _};
use std::os::fd::{AsFd as _, BorrowedFd};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use futures_util::future::select_all;
use nix::sys::termios::{LocalFlags, SetArg, Termios, tcgetattr, tcsetattr};
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::signal::unix::{Signal, SignalKind, signal};

use super::admin::Place;
use super::{Failure, page, status};

/// Show how everything goes, once a second.
///
/// Shows mailboxes, streams, rates, queue, delays and open conditions, once a second. Ends with q
/// or Ctrl-C. Where its output is no terminal it prints one picture a second.
#[derive(Args, Debug)]
pub(super) struct Top {
    /// So many pictures, then the end.
    #[arg(long, value_name = "N")]
    frames: Option<u64>,
    #[command(flatten)]
    place: Place,
}

const EVERY: Duration = Duration::from_secs(1);

/// A key is noticed as soon.
const GLANCE: Duration = Duration::from_millis(100);

/// Rates of the last pictures are shown as a curve.
const CURVE: usize = 40;

/// What is counted, as the daemon names it.
const COUNTED: [(&str, &str); 5] = [
    ("events", "from Exchange"),
    ("requests", "to Exchange"),
    ("readings", "of mailboxes"),
    ("records", "to the disk"),
    ("sent", "to the cloud"),
];

impl Top {
    pub(super) fn run(self) -> Result<(), Failure> {
        let client = self.place.client()?;
        let mut curves = Curves::default();
        // Heard of before the terminal is changed, so that it is given back whatever comes.
        let mut told = Told::new(client.runtime());
        let screen = std::io::stdout().is_terminal().then(Screen::open);
        told.size = told.size.filter(|_| screen.is_some());
        let mut frames = 0;
        loop {
            let status = client.get("/v1/status")?;
            curves.add(&status);
            frames += 1;
            let last = self.frames.is_some_and(|most| frames >= most);
            let next = Instant::now() + EVERY;
            loop {
                let drawn = match &screen {
                    Some(screen) => screen.draw(&status, &curves),
                    None => {
                        writeln!(std::io::stdout(), "{}", picture(&status, &curves, usize::MAX))
                    }
                };
                let over = || screen.as_ref().is_some_and(Screen::is_over);
                // A reader that is gone ends it.
                if drawn.is_err() || last || over() {
                    return Ok(());
                }
                match client.runtime().block_on(told.wait(next, over)) {
                    Wake::End => return Ok(()),
                    Wake::Next => break,
                    Wake::Size => {}
                }
            }
        }
    }
}

/// What ends a wait.
enum Wake {
    /// The next picture is due.
    Next,
    /// The terminal has another size.
    Size,
    /// Somebody wants no more.
    End,
}

/// What the system tells.
struct Told {
    size: Option<Signal>,
    ends: Vec<Signal>,
}

impl Told {
    fn new(runtime: &Runtime) -> Self {
        let _inside = runtime.enter();
        let ends = [SignalKind::interrupt(), SignalKind::terminate(), SignalKind::hangup()];
        let ends = ends.into_iter().filter_map(|kind| signal(kind).ok()).collect();
        Self { size: signal(SignalKind::window_change()).ok(), ends }
    }

    async fn wait(&mut self, until: Instant, over: impl Fn() -> bool) -> Wake {
        let ends: Vec<_> = self.ends.iter_mut().map(|signal| Box::pin(signal.recv())).collect();
        let ended = async {
            match ends.is_empty() {
                true => pending().await,
                false => drop(select_all(ends).await),
            }
        };
        let size = async {
            match &mut self.size {
                Some(signal) => drop(signal.recv().await),
                None => pending().await,
            }
        };
        let (mut ended, mut size) = (pin!(ended), pin!(size));
        while Instant::now() < until {
            tokio::select! {
                () = &mut ended => return Wake::End,
                () = &mut size => return Wake::Size,
                () = tokio::time::sleep(GLANCE) => {}
            }
            if over() {
                return Wake::End;
            }
        }
        Wake::Next
    }
}

/// The terminal, which hears each key at once until this is dropped.
struct Screen {
    before: Option<Termios>,
    over: Arc<AtomicBool>,
}

impl Screen {
    fn open() -> Self {
        let over = Arc::<AtomicBool>::default();
        let input = std::io::stdin();
        let before = match input.is_terminal() {
            true => quiet(input.as_fd()),
            false => None,
        };
        if before.is_some() {
            let heard = over.clone();
            // It ends with the process.
            std::thread::spawn(move || {
                for byte in std::io::stdin().lock().bytes() {
                    // Ctrl-C is a key here as well, so that the terminal is given back.
                    if matches!(byte, Ok(b'q' | b'Q' | 3) | Err(_)) {
                        break;
                    }
                }
                // Also where nobody can press a key any more.
                heard.store(true, Ordering::Relaxed);
            });
        }
        // Another screen, whose cursor is not seen.
        print!("\x1b[?1049h\x1b[?25l");
        Self { before, over }
    }

    /// Line by line over the one before, so that nothing flickers; as much as there is room for.
    fn draw(&self, status: &Value, curves: &Curves) -> std::io::Result<()> {
        let (columns, lines) = page::terminal().unwrap_or((80, 24));
        let picture = picture(status, curves, columns);
        let mut out = std::io::stdout().lock();
        write!(out, "\x1b[H")?;
        for (at, line) in fitted(&picture, columns, lines).iter().enumerate() {
            // No line feed behind the last line: it would move all of them up.
            let feed = if at == 0 { "" } else { "\r\n" };
            write!(out, "{feed}{line}\x1b[K")?;
        }
        write!(out, "\x1b[J")?;
        out.flush()
    }

    fn is_over(&self) -> bool {
        self.over.load(Ordering::Relaxed)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            let _ = tcsetattr(std::io::stdin(), SetArg::TCSANOW, before);
        }
        print!("\x1b[?25h\x1b[?1049l");
        let _ = std::io::stdout().flush();
    }
}

/// Keys are heard one by one, and not shown; how it was before.
fn quiet(terminal: BorrowedFd<'_>) -> Option<Termios> {
    let before = tcgetattr(terminal).ok()?;
    let mut quiet = before.clone();
    quiet.local_flags &= !(LocalFlags::ICANON | LocalFlags::ECHO | LocalFlags::ISIG);
    tcsetattr(terminal, SetArg::TCSANOW, &quiet).ok()?;
    Some(before)
}

/// How much happened between the pictures.
#[derive(Default)]
struct Curves {
    last: Option<(f64, [u64; 5])>,
    rates: Vec<[f64; 5]>,
}

impl Curves {
    fn add(&mut self, status: &Value) {
        let now = status["time_ms"].as_u64().unwrap_or(0) as f64 / 1_000.0;
        let counts = COUNTED.map(|(name, _)| status["totals"][name].as_u64().unwrap_or(0));
        if let Some((before, last)) = self.last
            && now > before
        {
            let mut pairs = counts.into_iter().zip(last);
            // A daemon that was started anew counts from nothing.
            let rate = |(count, last): (u64, u64)| count.saturating_sub(last) as f64;
            let rates = std::array::from_fn(|_| pairs.next().map_or(0.0, rate) / (now - before));
            self.rates.push(rates);
            if self.rates.len() > CURVE {
                self.rates.remove(0);
            }
        }
        self.last = Some((now, counts));
    }

    fn of(&self, at: usize) -> impl Iterator<Item = f64> + Clone + '_ {
        self.rates.iter().filter_map(move |rates| rates.get(at).copied())
    }

    fn line(&self, at: usize, width: usize) -> String {
        const STEPS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
        let most = self.of(at).fold(0.0, f64::max);
        let step = |rate: f64| {
            let height = if most > 0.0 { (rate / most * 7.0).round() as usize } else { 0 };
            STEPS.get(height).copied().unwrap_or(' ')
        };
        let passed_over = self.of(at).count().saturating_sub(width);
        self.of(at).skip(passed_over).map(step).collect()
    }
}

/// The lines that fit, each as far as it does; where some do not, the last says so.
fn fitted(picture: &str, columns: usize, lines: usize) -> Vec<String> {
    let cut = |line: &str| match line.chars().count() > columns {
        true => line.chars().take(columns.saturating_sub(1)).chain(['…']).collect(),
        false => line.to_owned(),
    };
    let mut fits: Vec<String> = picture.lines().take(lines).map(cut).collect();
    if picture.lines().count() > lines
        && let Some(last) = fits.last_mut()
    {
        *last = "…".into();
    }
    fits
}

/// All of it, for so many columns. No colour is in it, so that it can be cut anywhere.
fn picture(status: &Value, curves: &Curves, columns: usize) -> String {
    let mut out = status::head(status, |_, text| text.to_owned());
    let mut rows = Vec::new();
    for (at, (name, what)) in COUNTED.iter().enumerate() {
        let now = curves.of(at).last().map_or("-".to_owned(), |rate| format!("{rate:.1}"));
        let minute = status["rates"][name].as_f64().unwrap_or(0.0);
        let total = page::number(status["totals"][name].as_u64().unwrap_or(0));
        rows.push(vec![format!("{name} {what}"), now, format!("{minute:.1}"), total]);
    }
    let head = ["", "now/s", "minute/s", "in all"];
    rows.insert(0, head.map(str::to_owned).to_vec());
    let table = page::table(&rows, 1);
    let room = table.lines().map(|line| line.chars().count()).max().unwrap_or(0) + 2;
    for (at, line) in table.lines().enumerate() {
        let curve = at.checked_sub(1).map(|at| curves.line(at, columns.saturating_sub(room)));
        let line = format!("{line}  {}", curve.unwrap_or_default());
        out += line.trim_end();
        out.push('\n');
    }
    out.push('\n');
    out += &status::facts(status);
    out += &brief(status);
    out
}

/// The conditions, a line each: `calway status` says what to do.
fn brief(status: &Value) -> String {
    let all = status["conditions"].as_array().map(Vec::as_slice).unwrap_or_default();
    if all.is_empty() {
        return "\nNo condition is open.\n".into();
    }
    let mut out = "\nOpen conditions (calway status says what to do):\n".to_owned();
    for one in all.iter().take(12) {
        out += "  ";
        out += status::line(one, &status["time"], |_, text| text.to_owned())
            .lines()
            .next()
            .unwrap_or_default();
        out.push('\n');
    }
    if all.len() > 12 {
        out += &format!("  and {} more\n", all.len() - 12);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(ms: u64, sent: u64) -> Value {
        json!({"time": "2026-11-22T02:13:00Z", "time_ms": ms, "totals": {"sent": sent},
            "conditions": []})
    }

    #[test]
    fn rates_are_those_between_two_pictures_and_a_restart_is_no_flood() {
        let mut curves = Curves::default();
        for (ms, sent) in [(1_000, 100), (2_000, 130), (3_500, 145), (4_500, 5)] {
            curves.add(&at(ms, sent));
        }
        assert_eq!(curves.of(4).collect::<Vec<_>>(), [30.0, 10.0, 0.0]);
        assert_eq!(curves.line(4, 40), "█▃▁");
        assert_eq!(curves.line(4, 2), "▃▁", "the newest");
        let shown = picture(&at(4_500, 5), &curves, 80);
        assert!(shown.contains("sent to the cloud"), "{shown}");
        assert_eq!(fitted("abcdef\nb", 4, 9), ["abc…", "b"]);
        assert_eq!(fitted("a\nb\nc", 4, 2), ["a", "…"]);
        for _ in 0..100 {
            curves.add(&at(4_500, 5));
        }
        assert_eq!(curves.rates.len(), 3, "the same moment again says nothing");
    }
}
