//! Properties of our own on items: extended ones, under a property set that is nobody else's
//! ([MS-OXWSXPROP] 2.1.5, PathToExtendedFieldType). No client shows them, and a client that does
//! not know them leaves them as they are.

use super::xml::{Pull, push_escaped};
use crate::model::{Fault, Mark};

/// Our property set: a GUID drawn once by chance, and ours for good. It is never changed, as items
/// that carry it are in calendars already.
pub const PROPERTY_SET: &str = "a93eae91-e11d-45b7-a1f6-ac65210aabb4";

/// A property of ours; each is a string.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Own {
    /// What was made of an invitation's text ([`Mark`](crate::model::Mark)).
    Mark,
    /// The command that an item was made by.
    Command,
}

impl Own {
    /// As it stands in `PropertyName`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Mark => "CalwayMark",
            Self::Command => "CalwayCommand",
        }
    }
}

/// Writes the path of a property.
pub(super) fn push_path(out: &mut String, own: Own) {
    out.push_str("<t:ExtendedFieldURI PropertySetId=\"");
    out.push_str(PROPERTY_SET);
    out.push_str("\" PropertyName=\"");
    out.push_str(own.name());
    out.push_str("\" PropertyType=\"String\"/>");
}

/// Writes a property with its value.
pub(super) fn push_property(out: &mut String, own: Own, value: &str) {
    out.push_str("<t:ExtendedProperty>");
    push_path(out, own);
    out.push_str("<t:Value>");
    push_escaped(out, value);
    out.push_str("</t:Value></t:ExtendedProperty>");
}

/// Reads an open `ExtendedProperty`; nothing where it is not ours, or has no value.
pub(super) fn read(pull: &mut Pull<'_>) -> Result<Option<(Own, String)>, Fault> {
    let (mut own, mut value) = (None, None);
    while let Some(element) = pull.child()? {
        match element.name() {
            "ExtendedFieldURI" => {
                let set = element.attribute("PropertySetId").unwrap_or_default();
                let name = element.attribute("PropertyName").unwrap_or_default();
                let known = [Own::Mark, Own::Command].into_iter().find(|own| own.name() == name);
                own = known.filter(|_| set.eq_ignore_ascii_case(PROPERTY_SET));
                pull.skip()?;
            }
            "Value" => value = Some(pull.text_up_to(Mark::BYTES)?),
            _ => pull.skip()?,
        }
    }
    Ok(own.zip(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(xml: &str) -> Option<(Own, String)> {
        let mut pull = Pull::new(xml);
        pull.child().unwrap().unwrap();
        read(&mut pull).unwrap()
    }

    #[test]
    fn what_is_written_is_read_back() {
        let mut out = String::new();
        push_property(&mut out, Own::Mark, "a&b \"c\"");
        assert_eq!(read_one(&out), Some((Own::Mark, "a&b \"c\"".to_owned())));
        let shouted = out.replace(PROPERTY_SET, &PROPERTY_SET.to_uppercase());
        assert!(read_one(&shouted).is_some(), "a GUID has no case");
    }

    #[test]
    fn what_others_wrote_is_not_ours() {
        let mut out = String::new();
        push_property(&mut out, Own::Command, "x");
        for (ours, other) in [
            (PROPERTY_SET, "00062002-0000-0000-c000-000000000046"),
            ("CalwayCommand", "CalwayOther"),
            ("<t:Value>x</t:Value>", ""),
            ("<t:Value>x</t:Value>", "<t:Values><t:Value>x</t:Value></t:Values>"),
        ] {
            assert!(out.contains(ours));
            assert_eq!(read_one(&out.replace(ours, other)), None, "{other}");
        }
        assert_eq!(read_one("<ExtendedProperty/>"), None);
    }
}
