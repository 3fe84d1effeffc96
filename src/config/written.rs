//! The configuration as it is written: every key that is known, nothing checked yet.

use std::path::PathBuf;

use serde::Deserialize;

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct Written {
    #[serde(default)]
    pub(super) calendar: Vec<WrittenCalendar>,
    pub(super) cloud: Option<WrittenCloud>,
    #[serde(default)]
    pub(super) kms: WrittenKms,
    #[serde(default)]
    pub(super) join: WrittenJoin,
    #[serde(default)]
    pub(super) keyword: Vec<WrittenKeyword>,
    #[serde(default)]
    pub(super) decorate: WrittenDecorate,
    #[serde(default)]
    pub(super) window: WrittenWindow,
    #[serde(default)]
    pub(super) records: WrittenRecords,
    #[serde(default)]
    pub(super) store: WrittenStore,
    #[serde(default)]
    pub(super) admin: WrittenAdmin,
    #[serde(default)]
    pub(super) metrics: WrittenMetrics,
    pub(super) poll_seconds: Option<u64>,
    pub(super) presence_seconds: Option<u64>,
    pub(super) log: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenCalendar {
    pub(super) name: Option<String>,
    pub(super) kind: Option<String>,
    pub(super) account: Option<String>,
    pub(super) url: Option<String>,
    pub(super) autodiscover: Option<String>,
    pub(super) discover: Option<WrittenDiscover>,
    pub(super) domains: Option<Vec<String>>,
    pub(super) auth: Option<Vec<String>>,
    pub(super) keytab: Option<PathBuf>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) system_trust: Option<bool>,
    #[serde(default)]
    pub(super) pinned_certificate: OneOrMore,
    pub(super) proxy: Option<String>,
    pub(super) proxy_auth: Option<WrittenProxyAuth>,
    pub(super) connections: Option<usize>,
    pub(super) test_mailboxes: Option<Vec<String>>,
    pub(super) test_rooms: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenDiscover {
    pub(super) domains: Option<Vec<String>>,
    pub(super) scp: Option<WrittenScp>,
    pub(super) srv: Option<bool>,
    pub(super) trusted_hosts: Option<Vec<String>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenScp {
    pub(super) server: Option<String>,
    pub(super) bind: Option<String>,
    pub(super) site: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenCloud {
    pub(super) url: Option<String>,
    pub(super) connector: Option<String>,
    pub(super) auth: Option<WrittenCloudAuth>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) system_trust: Option<bool>,
    #[serde(default)]
    pub(super) pinned_certificate: OneOrMore,
    pub(super) proxy: Option<String>,
    pub(super) proxy_auth: Option<WrittenProxyAuth>,
}

/// A text, or a list of them.
#[derive(Deserialize, Default)]
#[serde(from = "Texts")]
pub(super) struct OneOrMore(pub(super) Vec<String>);

#[derive(Deserialize)]
#[serde(untagged)]
enum Texts {
    One(String),
    More(Vec<String>),
}

impl From<Texts> for OneOrMore {
    fn from(texts: Texts) -> Self {
        match texts {
            Texts::One(text) => Self(vec![text]),
            Texts::More(texts) => Self(texts),
        }
    }
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum WrittenProxyAuth {
    Basic { user: String },
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase", deny_unknown_fields)]
pub(super) enum WrittenCloudAuth {
    Oauth { client_id: String },
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenKms {
    pub(super) url: Option<String>,
    pub(super) anchors_file: Option<PathBuf>,
    pub(super) ca_file: Option<PathBuf>,
    pub(super) system_trust: Option<bool>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenKeyword {
    pub(super) name: Option<String>,
    pub(super) mode: Option<String>,
    pub(super) enabled: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenDecorate {
    pub(super) language: Option<String>,
    #[serde(default)]
    pub(super) text: Vec<WrittenText>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenText {
    pub(super) language: Option<String>,
    pub(super) header: Option<String>,
    pub(super) footer: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenJoin {
    #[serde(default)]
    pub(super) rule: Vec<WrittenJoinRule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenJoinRule {
    pub(super) name: Option<String>,
    pub(super) pattern: Option<String>,
    pub(super) priority: Option<i64>,
    pub(super) template: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenWindow {
    pub(super) past_days: Option<u32>,
    pub(super) future_days: Option<u32>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenRecords {
    pub(super) private: Option<String>,
    pub(super) untitled: Option<String>,
    pub(super) untitled_text: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenStore {
    pub(super) path: Option<PathBuf>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenAdmin {
    pub(super) socket: Option<PathBuf>,
    #[serde(default)]
    pub(super) users: Vec<String>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields)]
pub(super) struct WrittenMetrics {
    pub(super) listen: Option<String>,
}
