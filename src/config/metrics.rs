//! `[metrics]`: where Prometheus may ask.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::admin::fits;
use super::written::WrittenMetrics;

/// Where the service listens for scrapes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MetricsListen {
    /// An address of this machine alone.
    Loopback(SocketAddr),
    /// A socket of the file system.
    Unix(PathBuf),
}

/// Nothing where nothing is written, or what is written is wrong.
pub(super) fn listen(written: &WrittenMetrics, wrong: &mut Vec<String>) -> Option<MetricsListen> {
    let text = written.listen.as_deref()?;
    let found = match text.strip_prefix("unix:") {
        Some(path) => Some(PathBuf::from(path)).filter(|path| fits(path)).map(MetricsListen::Unix),
        None => {
            let address: Option<SocketAddr> = text.parse().ok();
            let own = |address: &SocketAddr| address.ip().is_loopback();
            address.filter(own).map(MetricsListen::Loopback)
        }
    };
    if found.is_none() {
        wrong.push(
            "metrics.listen: an address of this machine alone and a port (\"127.0.0.1:9464\", \
             \"[::1]:9464\"), or a socket (\"unix:/run/calway/metrics.sock\") is allowed: whoever \
             can reach it reads without a password. For others put a proxy before it"
                .into(),
        );
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_can_ask() {
        let heard = |text: &str| {
            let mut wrong = Vec::new();
            let written = WrittenMetrics { listen: Some(text.into()) };
            (listen(&written, &mut wrong), wrong.len())
        };
        for text in ["127.0.0.1:9464", "127.0.0.2:0", "[::1]:9464"] {
            let address = text.parse().unwrap();
            assert_eq!(heard(text), (Some(MetricsListen::Loopback(address)), 0));
        }
        let socket = MetricsListen::Unix("/run/calway/metrics.sock".into());
        assert_eq!(heard("unix:/run/calway/metrics.sock"), (Some(socket), 0));
        for text in [
            "0.0.0.0:9464",
            "[::]:9464",
            "10.0.0.1:9464",
            "9464",
            "localhost:9464",
            "127.0.0.1",
            "unix:metrics.sock",
            "unix:",
            "",
        ] {
            assert_eq!(heard(text), (None, 1), "{text}");
        }
        assert_eq!(listen(&WrittenMetrics { listen: None }, &mut Vec::new()), None);
    }
}
