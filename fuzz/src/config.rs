//! The configuration: a file and what is laid over it. Whatever is accepted keeps its limits.

use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use calway::config::{self, Settings};

/// Between the file and what is laid over it.
const NEXT: &[u8] = b"\n# calway.d\n";

/// Reads the bytes as `calway.toml`; after a line `# calway.d` come the bytes of a drop-in.
pub fn check(bytes: &[u8]) {
    let at = bytes.windows(NEXT.len()).position(|part| part == NEXT);
    let (file, drop_in) = match at {
        Some(at) => (&bytes[..at], Some(&bytes[at + NEXT.len()..])),
        None => (bytes, None),
    };
    FOLDER.with(|folder| {
        let path = folder.0.join("calway.toml");
        std::fs::write(&path, file).expect("written");
        let over = folder.0.join("calway.d/10-over.toml");
        match drop_in {
            Some(drop_in) => std::fs::write(&over, drop_in).expect("written"),
            None => drop(std::fs::remove_file(&over)),
        }
        match config::read(&path) {
            Ok(settings) => {
                for text in [Some(file), drop_in].into_iter().flatten() {
                    let text = std::str::from_utf8(text).expect("UTF-8");
                    assert_eq!(config::parse(text), Ok(()));
                }
                keeps_its_limits(&settings);
            }
            Err(mistakes) => {
                let told = mistakes.to_string();
                assert!(!told.is_empty());
                assert!(told.contains("calway"), "a mistake has its place: {told}");
            }
        }
    });
}

fn keeps_its_limits(settings: &Settings) {
    assert!(!settings.calendars.is_empty());
    let mut names: Vec<_> = settings.calendars.iter().map(|one| one.ews.name.as_str()).collect();
    names.sort_unstable();
    assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    for one in &settings.calendars {
        for url in [&one.ews.url, &one.ews.autodiscover].into_iter().flatten() {
            assert_eq!(url.scheme_str(), Some("https"));
            assert!(url.host().is_some_and(|host| !host.is_empty()));
        }
        match &one.ews.discover {
            None => assert!(one.ews.url.is_some()),
            Some(found) => {
                assert!(!found.domains.is_empty() || found.scp.is_some());
                assert!(found.domains.iter().all(|domain| !domain.contains(['/', ':', '*'])));
            }
        }
        assert!(!one.ews.account.is_empty() && !one.ews.auth.is_empty());
        assert!((1..=100).contains(&one.ews.max_connections));
        assert!(one.domains.iter().all(|domain| !domain.bytes().any(|b| b.is_ascii_uppercase())));
    }
    for url in [&settings.cloud.url, &settings.kms.url] {
        assert_eq!(url.scheme_str(), Some("https"));
    }
    assert!(settings.reach.past_days <= 60 && (1..=366).contains(&settings.reach.future_days));
    assert!((5_000..=3_600_000).contains(&settings.poll.as_ms()));
}

/// One for each thread; gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let name = format!("calway-bad-input-{}-{number}", std::process::id());
        let folder = std::env::temp_dir().join(name);
        std::fs::create_dir_all(folder.join("calway.d")).expect("a folder");
        Self(folder)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

thread_local! {
    static FOLDER: Folder = Folder::new();
}
