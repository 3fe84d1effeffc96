//! What requests that write have in common: ids, bodies and texts.

use std::fmt::Write as _;

use super::xml::push_escaped;
use crate::model::{Body, ItemId};

/// An item's id, with its change key where there is one.
pub(super) fn push_item_id(out: &mut String, element: &str, id: &ItemId, version: &str) {
    let _ = write!(out, "<t:{element} Id=\"");
    push_escaped(out, &id.0);
    if !version.is_empty() {
        out.push_str("\" ChangeKey=\"");
        push_escaped(out, version);
    }
    out.push_str("\"/>");
}

/// A body as it is, HTML or text.
pub(super) fn push_body(out: &mut String, body: &Body) {
    let kind = if body.html { "HTML" } else { "Text" };
    let _ = write!(out, "<t:Body BodyType=\"{kind}\">");
    push_escaped(out, body.text.reveal());
    out.push_str("</t:Body>");
}

/// An element with a text.
pub(super) fn push_text(out: &mut String, element: &str, text: &str) {
    let _ = write!(out, "<t:{element}>");
    push_escaped(out, text);
    let _ = write!(out, "</t:{element}>");
}
