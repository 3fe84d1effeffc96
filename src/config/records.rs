//! `[records]`: what of a meeting is shown.

use super::written::WrittenRecords;
use crate::pipeline::join::Rules;
use crate::pipeline::keyword::Keywords;
use crate::pipeline::showing::{Private, Showing, UNTITLED_CHARS, Untitled};

/// Checks what is written.
pub(super) fn showing(
    one: &WrittenRecords,
    (join, keywords): (Rules, Keywords),
    wrong: &mut Vec<String>,
) -> Showing {
    let private = match one.private.as_deref() {
        None => Private::default(),
        Some("full") => Private::Full,
        Some("times") => Private::Times,
        Some("nothing") => Private::Nothing,
        Some(_) => {
            wrong.push("records.private: \"full\", \"times\" and \"nothing\" are allowed".into());
            Private::default()
        }
    };
    let text = one.untitled_text.as_ref();
    let untitled = match (one.untitled.as_deref(), text) {
        (None | Some("omit"), None) => Untitled::Omit,
        (Some("organizer"), None) => Untitled::Organizer,
        (Some("text"), Some(text)) => {
            let fits = !text.trim().is_empty()
                && text.chars().count() <= UNTITLED_CHARS
                && !text.contains(char::is_control);
            if !fits {
                wrong.push(format!(
                    "records.untitled_text: 1 to {UNTITLED_CHARS} characters are allowed, on one \
                     line"
                ));
            }
            Untitled::Text(text.clone())
        }
        (Some("text"), None) => {
            wrong.push("records.untitled_text: is needed with untitled = \"text\"".into());
            Untitled::Omit
        }
        (None | Some("omit" | "organizer"), Some(_)) => {
            wrong.push("records.untitled_text: is of use only with untitled = \"text\"".into());
            Untitled::Omit
        }
        (Some(_), _) => {
            wrong.push("records.untitled: \"omit\", \"organizer\" and \"text\" are allowed".into());
            Untitled::Omit
        }
    };
    Showing { private, untitled, join, keywords }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Showing, String> {
        let file = ::config::File::from_str(text, ::config::FileFormat::Toml);
        let built = ::config::Config::builder().add_source(file).build().unwrap();
        let written: WrittenRecords = built.try_deserialize().map_err(|e| e.to_string())?;
        let mut wrong = Vec::new();
        let found = showing(&written, (Rules::default(), Keywords::default()), &mut wrong);
        if wrong.is_empty() { Ok(found) } else { Err(wrong.join("; ")) }
    }

    #[test]
    fn what_is_written_is_understood() {
        let nothing =
            Showing { private: Private::Times, untitled: Untitled::Omit, ..Showing::default() };
        assert_eq!(read(""), Ok(nothing));
        let chosen = read("private = \"full\"\nuntitled = \"text\"\nuntitled_text = \"Belegt\"");
        let text = Untitled::Text("Belegt".into());
        assert_eq!(
            chosen,
            Ok(Showing { private: Private::Full, untitled: text, ..Showing::default() })
        );
        let organizer = read("private = \"nothing\"\nuntitled = \"organizer\"");
        let untitled = Untitled::Organizer;
        assert_eq!(
            organizer,
            Ok(Showing { private: Private::Nothing, untitled, ..Showing::default() })
        );
    }

    #[test]
    fn what_cannot_work_is_named_with_its_key() {
        let long = format!("untitled = \"text\"\nuntitled_text = \"{}\"", "x".repeat(129));
        for (text, key) in [
            ("private = \"none\"", "records.private: \"full\", \"times\" and \"nothing\""),
            ("untitled = \"empty\"", "records.untitled: \"omit\""),
            ("untitled = \"text\"", "records.untitled_text: is needed"),
            ("untitled_text = \"x\"", "records.untitled_text: is of use only"),
            ("untitled = \"text\"\nuntitled_text = \" \"", "records.untitled_text: 1 to 128"),
            (&long, "records.untitled_text: 1 to 128"),
            ("secret = true", "secret"),
        ] {
            let wrong = read(text).unwrap_err();
            assert!(wrong.contains(key), "{text}: {wrong}");
        }
    }
}
