//! Every key of the configuration: the one table that the reference page, `calway config show` and
//! the reload read. Whoever adds a field to `written.rs` adds its row to `reference/keys.rs`.

mod keys;

pub use keys::KEYS;

use super::Settings;

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One text.
    Text,
    /// A text that begins with `https://`.
    Address,
    /// A whole number.
    Number,
    /// `true` or `false`.
    Flag,
    /// A file, from `/` on.
    Path,
    /// A list of texts.
    Texts,
    /// A text, or a list of them.
    OneOrMore,
}

impl Kind {
    /// Its name for people.
    pub fn name(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Address => "address",
            Self::Number => "number",
            Self::Flag => "true or false",
            Self::Path => "path",
            Self::Texts => "list of texts",
            Self::OneOrMore => "text, or a list of them",
        }
    }
}

/// What counts where a key is not written. The number is that of the entry of the outermost list.
#[derive(Clone, Copy, Debug)]
pub enum Default {
    /// It has to be written.
    Needed,
    /// Nothing; what that means.
    Nothing(&'static str),
    /// This value, as TOML has it: the same in every configuration.
    Is(fn(&Settings, usize) -> String),
    /// What these words say; which value that is here.
    Follows(&'static str, fn(&Settings, usize) -> String),
}

/// When a changed value counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reload {
    /// At once, by `systemctl reload calway`.
    Applied,
    /// After `systemctl restart calway`.
    Restart,
}

/// One key.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its place: `[]` behind a list, `.` between a section and what stands in it.
    pub path: &'static str,
    /// What its value looks like.
    pub kind: Kind,
    /// What is allowed, in words; of a number as `A to B`.
    pub allowed: &'static str,
    /// What counts where it is not written.
    pub default: Default,
    /// What it does.
    pub what: &'static str,
    /// When a changed value counts.
    pub reload: Reload,
}

impl Key {
    const fn new(path: &'static str, kind: Kind, allowed: &'static str) -> Self {
        let (default, reload) = (Default::Needed, Reload::Restart);
        Self { path, kind, allowed, default, what: "", reload }
    }

    const fn or(self, default: Default) -> Self {
        Self { default, ..self }
    }

    const fn does(self, what: &'static str) -> Self {
        Self { what, ..self }
    }

    /// A reload applies it.
    const fn live(self) -> Self {
        Self { reload: Reload::Applied, ..self }
    }

    /// The section that it stands in; empty for the top.
    pub fn section(&self) -> &'static str {
        self.path.rsplit_once('.').map_or("", |(section, _)| section)
    }

    /// Its name in its section.
    pub fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }
}

/// Sections that are there or not: what stands in them counts only where they are.
pub const OPTIONAL: &[&str] = &[
    "calendar[].discover",
    "calendar[].discover.scp",
    "calendar[].proxy_auth",
    "cloud.proxy_auth",
];

/// The key that a place such as `calendar[1].url` belongs to.
pub fn key_of(place: &str) -> Option<&'static Key> {
    let mut path = String::with_capacity(place.len());
    let mut inside = false;
    for c in place.chars() {
        match c {
            '[' => inside = true,
            ']' => inside = false,
            _ if inside => continue,
            _ => {}
        }
        path.push(c);
    }
    KEYS.iter().find(|key| key.path == path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_finds_its_key() {
        assert_eq!(key_of("calendar[12].url").map(|key| key.path), Some("calendar[].url"));
        assert_eq!(key_of("log").map(|key| (key.section(), key.name())), Some(("", "log")));
        assert!(key_of("calendar[0].nonsense").is_none());
        for key in KEYS {
            assert_eq!(KEYS.iter().filter(|one| one.path == key.path).count(), 1, "{}", key.path);
            assert!(!key.what.is_empty(), "{}", key.path);
        }
    }
}
