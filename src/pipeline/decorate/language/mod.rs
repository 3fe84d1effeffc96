//! The words around join details, in the language of those who read them.
//!
//! The phrases stand in `phrases.json`, one entry a language; a test holds them together. Which
//! language an invitation gets: that of the item, else of the mailbox, else the organisation's
//! default, else English. A language that there are no phrases in passes the choice on.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;

use crate::pipeline::decorate::separator;
use crate::pipeline::limits::OWN_TEXT_CHARACTERS;

/// Characters of a language tag; RFC 5646 recommends room for 35.
const TAG_CHARACTERS: usize = 35;

/// A language that invitations can be written in, by its BCP 47 tag: `de`, `pt-BR`, `zh-Hant`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Language(&'static str);

/// Which way a language is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Direction {
    /// From left to right.
    #[default]
    Ltr,
    /// From right to left.
    Rtl,
}

impl Direction {
    /// As HTML's `dir` has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ltr => "ltr",
            Self::Rtl => "rtl",
        }
    }
}

/// The phrases of one language. All are plain text.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Phrases {
    /// Which way they are written.
    pub direction: Direction,
    /// The words of the link that people join by.
    pub join: String,
    /// Before the address of the meeting.
    pub link: String,
    /// Before the meeting's number.
    pub number: String,
    /// Before the password.
    pub password: String,
    /// Before the address that a video system dials.
    pub video: String,
    /// Before the phone numbers.
    pub phone: String,
    /// Beside a phone number that costs the caller nothing.
    pub toll_free: String,
    /// Before the code that is asked for on the phone.
    pub code: String,
    /// Before the name of who hosts.
    pub host: String,
    /// Which space the meeting is in; `{title}` is its name.
    pub space: String,
    /// Whose personal room it is in; `{host}` is that person's name.
    pub room: String,
    /// What people are asked: to leave what stands between the lines as it is.
    pub keep: String,
}

static PHRASES: LazyLock<BTreeMap<&'static str, Phrases>> = LazyLock::new(|| {
    // Part of the program, and read whole by a test.
    serde_json::from_str(include_str!("phrases.json")).unwrap_or_default()
});

/// Where [`PHRASES`] has none, which cannot be.
static NOTHING: LazyLock<Phrases> = LazyLock::new(Phrases::default);

impl Language {
    /// What an invitation is written in where nobody says otherwise.
    pub const ENGLISH: Self = Self("en");

    /// All of them, in the order of their tags.
    pub fn all() -> impl Iterator<Item = Self> {
        PHRASES.keys().map(|tag| Self(tag))
    }

    /// The language of a tag (`de`, `de-CH`, `zh-TW`; `_` passes for `-`, case does not matter), or
    /// `None` where there are no phrases in it. A region that has none of its own gets the
    /// language's.
    pub fn find(tag: &str) -> Option<Self> {
        let tag = tag.trim();
        if tag.len() > TAG_CHARACTERS {
            return None;
        }
        let tag = tag.replace('_', "-").to_ascii_lowercase();
        let known = |tag: &str| Self::all().find(|own| own.0.eq_ignore_ascii_case(tag));
        let mut subtags = tag.split('-');
        let first = match subtags.next()? {
            // What ISO 639 called Hebrew before, and the two that are written alike.
            "iw" => "he",
            "no" | "nn" => "nb",
            "zh" => return known(chinese(&tag)),
            // Unicode's likely subtags: Portuguese alone is Brazil's, another region's Portugal's.
            "pt" => {
                let region = subtags.find(|part| part.len() == 2);
                let brazil = region.is_none_or(|region| region == "br");
                return known(if brazil { "pt-BR" } else { "pt-PT" });
            }
            first => first,
        };
        known(first)
    }

    /// The first of these that there are phrases in, else English: the item's culture, the
    /// mailbox's language, the organisation's default.
    pub fn choose(item: Option<&str>, mailbox: Option<&str>, default: Self) -> Self {
        item.and_then(Self::find).or_else(|| mailbox.and_then(Self::find)).unwrap_or(default)
    }

    /// Its tag.
    pub fn tag(self) -> &'static str {
        self.0
    }

    /// Its phrases.
    pub fn phrases(self) -> &'static Phrases {
        PHRASES.get(self.0).unwrap_or(&NOTHING)
    }
}

impl Default for Language {
    fn default() -> Self {
        Self::ENGLISH
    }
}

/// Which script a tag of Chinese means: said by itself, or by where it is written.
fn chinese(tag: &str) -> &'static str {
    let says = |parts: &[&str]| tag.split('-').any(|part| parts.contains(&part));
    let traditional = says(&["hant", "cht"]) || (!says(&["hans"]) && says(&["tw", "hk", "mo"]));
    if traditional { "zh-Hant" } else { "zh-Hans" }
}

/// What an organisation puts around join details, and the language where an invitation names none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnTexts {
    /// Where neither the item nor the mailbox names a language that there are phrases in.
    pub default: Language,
    texts: BTreeMap<Language, OwnText>,
}

/// The organisation's words of one language, plain text with `\n` between lines.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OwnText {
    /// Before the details; empty for none.
    pub header: String,
    /// After them; empty for none.
    pub footer: String,
}

impl OwnTexts {
    /// Those of an organisation: its default language, and for each language header and footer.
    ///
    /// # Errors
    /// A sentence for each mistake, with its key, as the configuration shows them.
    pub fn new(
        default: Option<&str>,
        texts: impl IntoIterator<Item = (String, OwnText)>,
    ) -> Result<Self, Vec<String>> {
        let mut own = Self::default();
        let mut wrong = Vec::new();
        if let Some(tag) = default {
            match Language::find(tag) {
                Some(language) => own.default = language,
                None => wrong.push(format!("decorate.language: {}", allowed())),
            }
        }
        for (at, (tag, text)) in texts.into_iter().enumerate() {
            let place = format!("decorate.text[{at}]");
            for (key, words) in [("header", &text.header), ("footer", &text.footer)] {
                wrong.extend(mistake(words).map(|why| format!("{place}.{key}: {why}")));
            }
            match Language::find(&tag) {
                None => wrong.push(format!("{place}.language: {}", allowed())),
                Some(language) if own.texts.contains_key(&language) => {
                    wrong.push(format!("{place}.language: {} stands there twice", language.tag()));
                }
                Some(language) => drop(own.texts.insert(language, text)),
            }
        }
        if wrong.is_empty() { Ok(own) } else { Err(wrong) }
    }

    /// The words for a language; none where the organisation has none in it.
    pub fn of(&self, language: Language) -> &OwnText {
        static NONE: OwnText = OwnText { header: String::new(), footer: String::new() };
        self.texts.get(&language).unwrap_or(&NONE)
    }

    /// The language of an invitation, as [`Language::choose`] finds it.
    pub fn language(&self, item: Option<&str>, mailbox: Option<&str>) -> Language {
        Language::choose(item, mailbox, self.default)
    }
}

fn allowed() -> String {
    let tags: Vec<_> = Language::all().map(Language::tag).collect();
    format!("one of {} is needed", tags.join(", "))
}

fn mistake(text: &str) -> Option<String> {
    let length = text.chars().count();
    if length > OWN_TEXT_CHARACTERS {
        return Some(format!("{length} characters, {OWN_TEXT_CHARACTERS} are allowed"));
    }
    if text.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
        return Some("plain text is needed, without control characters".to_owned());
    }
    if separator::begins(text).is_some() || separator::ends(text).is_some() {
        return Some("the lines that mark join details cannot stand in it".to_owned());
    }
    None
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
