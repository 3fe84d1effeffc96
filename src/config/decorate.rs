//! `[[keyword]]` and `[decorate]`: what organisers write to get join details, and the words around
//! those.

use super::written::{WrittenDecorate, WrittenKeyword};
use crate::pipeline::decorate::{OwnText, OwnTexts};
use crate::pipeline::keyword::{Keywords, OwnKeyword};

/// The keywords that are known.
pub(super) fn keywords(written: &[WrittenKeyword], wrong: &mut Vec<String>) -> Keywords {
    let own: Vec<_> = written
        .iter()
        .map(|one| OwnKeyword {
            name: one.name.clone().unwrap_or_default(),
            mode: one.mode.clone(),
            enabled: one.enabled,
        })
        .collect();
    Keywords::new(&own).unwrap_or_else(|mistakes| {
        wrong.extend(mistakes);
        Keywords::default()
    })
}

/// The organisation's own words and its language.
pub(super) fn texts(written: &WrittenDecorate, wrong: &mut Vec<String>) -> OwnTexts {
    let texts = written.text.iter().map(|one| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let own = OwnText { header: text(&one.header), footer: text(&one.footer) };
        (text(&one.language), own)
    });
    OwnTexts::new(written.language.as_deref(), texts).unwrap_or_else(|mistakes| {
        wrong.extend(mistakes);
        OwnTexts::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::written::Written;
    use crate::model::Plain;
    use crate::pipeline::decorate::Language;
    use crate::pipeline::keyword::Mode;

    fn read(text: &str) -> Result<(Keywords, OwnTexts), Vec<String>> {
        let file = ::config::File::from_str(text, ::config::FileFormat::Toml);
        let built = ::config::Config::builder().add_source(file).build().unwrap();
        let written: Written = built.try_deserialize().map_err(|e| vec![e.to_string()])?;
        let mut wrong = Vec::new();
        let found = (keywords(&written.keyword, &mut wrong), texts(&written.decorate, &mut wrong));
        if wrong.is_empty() { Ok(found) } else { Err(wrong) }
    }

    #[test]
    fn an_administrators_keywords_and_words_are_taken() {
        let (keywords, texts) = read(
            "[[keyword]]\nname = \"@video\"\nmode = \"onetime\"\n\
             [[keyword]]\nname = \"meet\"\nenabled = false\n\
             [decorate]\nlanguage = \"de\"\n\
             [[decorate.text]]\nlanguage = \"de\"\nheader = \"Werk Nord\\nHalle 3\"\n",
        )
        .unwrap();
        let asked = keywords.find(&Plain::new("Halle 3 @Video")).unwrap();
        assert_eq!(asked.mode, Mode::OneTime);
        assert_eq!(keywords.find(&Plain::new("@meet")), None);
        assert_eq!(texts.language(Some("sw"), None), Language::find("de").unwrap());
        assert_eq!(texts.of(texts.default).header, "Werk Nord\nHalle 3");
        let (keywords, texts) = read("").unwrap();
        assert_eq!((keywords, texts), (Keywords::default(), OwnTexts::default()));
    }

    #[test]
    fn what_cannot_be_is_named_with_its_key() {
        let header = "x".repeat(1_025);
        for (text, key) in [
            ("[[keyword]]\nname = \"a b\"", "keyword[0].name: a letter"),
            ("[[keyword]]\nmode = \"space\"", "keyword[0].name: a letter"),
            ("[[keyword]]\nname = \"tv\"\nmode = \"x\"", "keyword[0].mode: \"space\""),
            ("[[keyword]]\nname = \"tv\"\nkind = \"x\"", "kind"),
            ("[decorate]\nlanguage = \"xx\"", "decorate.language: one of ar, cs"),
            ("[[decorate.text]]\nheader = \"x\"", "decorate.text[0].language: one of"),
            (
                &format!("[[decorate.text]]\nlanguage = \"de\"\nfooter = \"{header}\""),
                "decorate.text[0].footer: 1025 characters, 1024 are allowed",
            ),
        ] {
            let wrong = read(text).unwrap_err().join("; ");
            assert!(wrong.contains(key), "{text}: {wrong}");
        }
    }
}
