//! Which lines are ours, by their words: what is left to go by where somebody edited a block.
//!
//! A line of ours begins with a label of one of the languages and says nothing behind its value, or
//! is a whole phrase, or one of the organisation's own. Whatever else stands in a block was written
//! by a person, and is kept when the block goes.

use std::cell::OnceCell;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use super::language::{Language, OwnTexts};
use super::separator;

/// What is known of our lines.
#[derive(Debug)]
pub(super) struct Known<'a> {
    own: &'a OwnTexts,
    /// Its lines with single spaces: made once, and only where a block was edited.
    lines: OnceCell<BTreeSet<String>>,
}

/// Labels whose value is one word: a note behind it is somebody's. And those whose value may be
/// several.
static LABELS: LazyLock<Vec<(String, Value)>> = LazyLock::new(|| {
    let labels = Language::all().flat_map(|language| {
        let own = language.phrases();
        [
            (&own.link, Value::Word),
            (&own.video, Value::Word),
            (&own.number, Value::Digits),
            (&own.code, Value::Digits),
            (&own.password, Value::Any),
            (&own.host, Value::Any),
            (&own.phone, Value::None),
            (&own.join, Value::None),
            (&own.keep, Value::None),
        ]
    });
    labels.map(|(label, value)| (plain(label), value)).collect()
});

/// Phrases with a name in them: what stands before and behind it.
static FRAMES: LazyLock<BTreeSet<(String, String)>> = LazyLock::new(|| {
    let phrases = Language::all().flat_map(|own| [&own.phrases().space, &own.phrases().room]);
    let frames = phrases.filter_map(|phrase| {
        let (before, rest) = phrase.split_once('{')?;
        let (_, after) = rest.split_once('}')?;
        Some((plain(before), plain(after)))
    });
    frames.collect()
});

/// What may stand behind a label.
#[derive(Clone, Copy)]
enum Value {
    None,
    Word,
    Digits,
    Any,
}

impl Value {
    fn allows(self, rest: &str) -> bool {
        match self {
            Self::None => rest.is_empty(),
            Self::Word => !rest.contains(char::is_whitespace),
            Self::Digits => rest.chars().all(|c| c.is_ascii_digit() || " -#*".contains(c)),
            Self::Any => true,
        }
    }
}

impl<'a> Known<'a> {
    /// With an organisation's own header and footer.
    pub(super) fn new(own: &'a OwnTexts) -> Self {
        Self { own, lines: OnceCell::new() }
    }

    /// Whether a line of a block is ours.
    pub(super) fn is_ours(&self, line: &str) -> bool {
        let bare = plain(line);
        let bare = bare.trim_start_matches(|c: char| "-*•>".contains(c) || c.is_whitespace());
        let bare = without_link(bare);
        if bare.is_empty() || separator::begins(bare).is_some() || separator::ends(bare).is_some() {
            return true;
        }
        let labelled = LABELS.iter().any(|(label, value)| {
            let Some(rest) = bare.strip_prefix(label.as_str()).map(str::trim_start) else {
                return false;
            };
            let said = rest.strip_prefix([':', '：']);
            rest.is_empty() || said.is_some_and(|said| value.allows(said.trim_start()))
        });
        let framed = || {
            FRAMES.iter().any(|(before, after)| {
                let inner = bare.strip_prefix(before.as_str());
                inner.and_then(|inner| inner.strip_suffix(after.as_str())).is_some()
            })
        };
        labelled || framed() || is_phone(bare) || self.lines().contains(bare)
    }

    fn lines(&self) -> &BTreeSet<String> {
        self.lines.get_or_init(|| {
            let texts = Language::all().map(|language| self.own.of(language));
            let lines = texts.flat_map(|text| text.header.lines().chain(text.footer.lines()));
            lines.map(plain).collect()
        })
    }
}

/// A line without where its last words lead, as [`crate::pipeline::notes`] tells it behind them.
fn without_link(line: &str) -> &str {
    let Some((words, link)) = line.rsplit_once(" <") else { return line };
    let address = link.strip_suffix('>').is_some_and(|link| !link.contains(char::is_whitespace));
    if address { words } else { line }
}

/// A text with single spaces.
fn plain(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A number to call, with where one calls it from in brackets; Notes shows its link only where that
/// is another.
fn is_phone(line: &str) -> bool {
    let (number, rest) = match line.split_once(" (") {
        Some((number, rest)) => (number, rest),
        None => (line, ")"),
    };
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    let marks = number.chars().all(|c| c.is_ascii_digit() || "+ -.()/".contains(c));
    marks && (3..=20).contains(&digits) && rest.ends_with(')')
}
