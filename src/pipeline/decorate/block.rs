//! Join details as people read them: rows of words, written as a page or as plain text.

use super::details::{JoinDetails, Phone};
use super::language::{Language, OwnText, OwnTexts, Phrases};
use super::outline::NAME;
use super::{page, separator};
use crate::model::Plain;
use crate::pipeline::keyword::Mode;

/// Join details in the words of a language, ready to be put into a body.
#[derive(Clone, Debug)]
pub struct Block {
    language: Language,
    rows: Vec<Row>,
    header: Vec<Plain>,
    footer: Vec<Plain>,
}

#[derive(Clone, Debug)]
struct Row {
    /// What stands before the value; empty for none.
    label: Plain,
    values: Vec<Value>,
    strong: bool,
}

#[derive(Clone, Debug)]
struct Value {
    text: Plain,
    /// Where it leads: `https:`, `sip:` or `tel:`.
    link: Option<Plain>,
    /// What stands behind it.
    note: Plain,
}

impl Value {
    fn new(text: &Plain, link: Option<Plain>) -> Self {
        Self { text: text.clone(), link, note: Plain::default() }
    }
}

impl Block {
    /// The details in a language, with the organisation's own words around them.
    pub fn new(details: &JoinDetails, language: Language, own: &OwnTexts) -> Self {
        let words = language.phrases();
        let OwnText { header, footer } = own.of(language);
        let lines = |text: &str| text.trim().lines().map(|line| Plain::new(line.trim())).collect();
        Self { language, rows: rows(details, words), header: lines(header), footer: lines(footer) }
    }

    /// A digest of what it says and how: FNV-1a in 64 bits, which keeps no secret.
    pub(super) fn digest(&self) -> String {
        let mut sum = 0xcbf2_9ce4_8422_2325_u64;
        for byte in self.html().bytes() {
            sum = (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        format!("{sum:016x}")
    }

    /// As a part of a page: one element, which can stand wherever a paragraph can.
    pub(super) fn html(&self) -> String {
        let words = self.language.phrases();
        let mut inside = String::new();
        own_lines(&self.header, &mut inside);
        for row in &self.rows {
            row.html(&mut inside);
        }
        own_lines(&self.footer, &mut inside);
        inside.push_str(&format!("<p style=\"{SMALL}\">{}</p>", escaped(&words.keep)));
        let end = separator::end_line(&page::words(&inside));
        let inside = format!("</p>{inside}<p style=\"{SMALL}\" dir=\"ltr\">");
        format!(
            "<div id=\"{NAME}\" class=\"{NAME}\" lang=\"{}\" dir=\"{}\"><p style=\"{SMALL}\" \
             dir=\"ltr\">{}{inside}{end}</p></div>",
            self.language.tag(),
            words.direction.as_str(),
            separator::BEGIN,
        )
    }

    /// As lines of text, each ended by `turn`, with one before the first.
    pub(super) fn text(&self, turn: &str) -> String {
        let words = self.language.phrases();
        let mut inside = turn.to_owned();
        let mut line = |text: &str| {
            inside.push_str(text);
            inside.push_str(turn);
        };
        let gap = |lines: &[Plain]| !lines.is_empty();
        self.header.iter().for_each(|own| line(own.reveal()));
        if gap(&self.header) {
            line("");
        }
        for row in &self.rows {
            row.lines().iter().for_each(|text| line(text.reveal()));
        }
        if gap(&self.footer) {
            line("");
        }
        self.footer.iter().for_each(|own| line(own.reveal()));
        line("");
        line(&words.keep);
        let end = separator::end_line(&inside);
        format!("{turn}{}{inside}{end}{turn}", separator::BEGIN)
    }
}

/// Of the lines that mark, and of what is said to those who look there.
const SMALL: &str = "margin:0;font-size:8pt;color:#767676";

/// Of everything else.
const PLAIN: &str = "margin:0 0 6pt 0";

fn rows(details: &JoinDetails, words: &Phrases) -> Vec<Row> {
    let mut rows = Vec::new();
    let plain = |text: &str| Plain::new(text);
    let row = |label: &str, values: Vec<Value>| Row { label: plain(label), values, strong: false };
    let address = details.url.as_ref().or(details.uri.as_ref());
    let join = Value::new(&plain(&words.join), address.cloned());
    rows.push(Row { label: Plain::default(), values: vec![join], strong: true });
    let named = match (details.kind, &details.title, &details.host) {
        (Some(Mode::Space), Some(title), _) => Some(words.space.replace("{title}", title.reveal())),
        (Some(Mode::MyRoom), _, Some(host)) => Some(words.room.replace("{host}", host.reveal())),
        _ => None,
    };
    let is_room = details.kind == Some(Mode::MyRoom) && named.is_some();
    rows.extend(named.map(|text| row("", vec![Value::new(&Plain::new(text), None)])));
    for (label, value, leads) in [
        (&words.link, &details.url, true),
        (&words.number, &details.number, false),
        (&words.password, &details.password, false),
        (&words.video, &details.uri, true),
    ] {
        let Some(value) = value else { continue };
        let shown = shown(value);
        rows.push(row(label, vec![Value::new(&shown, leads.then(|| value.clone()))]));
    }
    if !details.phones.is_empty() {
        rows.push(row(&words.phone, details.phones.iter().map(|one| phone(one, words)).collect()));
    }
    for (label, value) in [(&words.code, &details.access_code), (&words.host, &details.host)] {
        if let Some(value) = value.as_ref().filter(|_| !(is_room && label == &words.host)) {
            rows.push(row(label, vec![Value::new(value, None)]));
        }
    }
    rows
}

/// People read a video address without its scheme.
fn shown(value: &Plain) -> Plain {
    let text = value.reveal();
    let bare = ["sip:", "sips:"].iter().find_map(|scheme| {
        let (own, rest) = text.split_at_checked(scheme.len())?;
        own.eq_ignore_ascii_case(scheme).then_some(rest)
    });
    Plain::new(bare.unwrap_or(text))
}

fn phone(phone: &Phone, words: &Phrases) -> Value {
    let number = phone.number.reveal();
    let dialled = number.chars().filter(|c| c.is_ascii_digit() || *c == '+');
    let link = Plain::new(dialled.fold("tel:".to_owned(), |mut link, c| {
        link.push(c);
        link
    }));
    let free = phone.toll_free.then_some(words.toll_free.as_str());
    let notes = [phone.label.as_ref().map(|label| label.reveal()), free];
    let notes: Vec<_> = notes.into_iter().flatten().collect();
    let note = if notes.is_empty() { String::new() } else { format!(" ({})", notes.join(", ")) };
    Value { text: phone.number.clone(), link: Some(link), note: Plain::new(note) }
}

impl Row {
    fn html(&self, out: &mut String) {
        let (on, off) = if self.strong { ("<b>", "</b>") } else { ("", "") };
        out.push_str(&format!("<p style=\"{PLAIN}\">{on}"));
        if !self.label.is_blank() {
            out.push_str(&escaped(self.label.reveal()));
            out.push_str(if self.values.len() > 1 { ":" } else { ": " });
        }
        for value in &self.values {
            if self.values.len() > 1 {
                out.push_str("<br>");
            }
            let text = escaped(value.text.reveal());
            match &value.link {
                Some(link) if self.label.is_blank() => {
                    out.push_str(&format!("<a href=\"{}\">{text}</a>", escaped(link.reveal())));
                }
                Some(link) => out.push_str(&format!(
                    "<a dir=\"ltr\" href=\"{}\">{text}</a>",
                    escaped(link.reveal())
                )),
                None if self.label.is_blank() => out.push_str(&text),
                None => out.push_str(&format!("<span dir=\"auto\">{text}</span>")),
            }
            out.push_str(&escaped(value.note.reveal()));
        }
        out.push_str(&format!("{off}</p>"));
    }

    /// As lines of text.
    fn lines(&self) -> Vec<Plain> {
        let shown = |value: &Value| format!("{}{}", value.text.reveal(), value.note.reveal());
        let label = self.label.reveal();
        match self.values.as_slice() {
            // The words of a link say nothing in a text; its address follows in a row of its own.
            [one] if self.label.is_blank() => vec![Plain::new(shown(one))],
            [one] => vec![Plain::new(format!("{label}: {}", shown(one)))],
            many => std::iter::once(Plain::new(format!("{label}:")))
                .chain(many.iter().map(|one| Plain::new(shown(one))))
                .collect(),
        }
    }
}

fn own_lines(lines: &[Plain], out: &mut String) {
    if lines.is_empty() {
        return;
    }
    let lines: Vec<_> = lines.iter().map(|line| escaped(line.reveal())).collect();
    out.push_str(&format!("<p style=\"{PLAIN}\">{}</p>", lines.join("<br>")));
}

/// A text as a page shows it: no markup of its own, in a value of an attribute neither. What XML
/// 1.0 cannot carry to Exchange is left out.
pub(super) fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            '\t' => out.push(' '),
            '\u{fffe}' | '\u{ffff}' => {}
            c if c.is_control() => {}
            c => out.push(c),
        }
    }
    out
}
