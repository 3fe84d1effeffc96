//! The service manager's end of sd_notify(3).

use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use crate::house::PATIENCE;

/// A service manager that hears what it is told, from its start on.
pub struct Supervisor {
    socket: PathBuf,
    told: Arc<Mutex<Vec<String>>>,
}

impl Supervisor {
    /// One that listens in this folder.
    pub fn new(folder: &Path) -> Self {
        let socket = folder.join("supervisor");
        let listener = UnixDatagram::bind(&socket).unwrap();
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = told.clone();
        // It ends with the test's process.
        std::thread::spawn(move || {
            let mut bytes = [0; 4_096];
            while let Ok(length) = listener.recv(&mut bytes) {
                let text = String::from_utf8_lossy(&bytes[..length]).into_owned();
                heard.lock().unwrap().extend(text.lines().map(str::to_owned));
            }
        });
        Self { socket, told }
    }

    /// What `NOTIFY_SOCKET` is to say.
    pub fn socket(&self) -> &Path {
        &self.socket
    }

    /// Everything, in its order, a line each.
    pub fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    /// Whether a line has these words.
    pub fn has(&self, words: &str) -> bool {
        self.told().iter().any(|line| line.contains(words))
    }

    /// Waits for a line with these words.
    pub async fn hears(&self, words: &str) {
        let until = Instant::now() + PATIENCE;
        while !self.has(words) {
            assert!(Instant::now() < until, "{words}: in vain\n{:#?}", self.told());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Where these lines are; each after the one before.
    pub fn in_order(&self, lines: &[&str]) {
        let told = self.told();
        let mut left = told.iter();
        for line in lines {
            assert!(left.any(|one| one.contains(line)), "{line} in its place: {told:#?}");
        }
    }
}
