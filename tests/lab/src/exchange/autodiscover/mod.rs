//! Autodiscover in its three forms, over the same directory of mailboxes.

use quick_xml::Reader;
use quick_xml::events::Event;

use super::http::Front;
use super::service::{Calendars, Service, Whereabouts};

pub(super) mod pox;
pub(super) mod soap;
pub(super) mod v2;

/// The back end that holds the mailbox of `address`.
pub(super) fn back_end(service: &Service, address: &str) -> Option<usize> {
    match service.calendars().whereabouts(address) {
        Whereabouts::BackEnd(back_end) => Some(back_end),
        _ => None,
    }
}

/// What the directory says about an address.
enum Found {
    /// A mailbox of the organisation, and where its EWS is.
    Mailbox { address: String, name: String, back_end: usize, ews: String },
    /// Ask again for this address.
    RedirectAddress(String),
    /// Ask this Autodiscover service.
    RedirectUrl(String),
    /// Nobody.
    Nobody,
}

fn find(front: &Front, address: &str) -> Found {
    let calendars = front.service.calendars();
    match calendars.whereabouts(address) {
        Whereabouts::BackEnd(back_end) => mailbox(calendars, address, back_end, ews_url(front)),
        Whereabouts::Server(url) => mailbox(calendars, address, 0, url),
        Whereabouts::Cloud(to) if to.contains("://") => Found::RedirectUrl(to),
        Whereabouts::Cloud(to) => Found::RedirectAddress(to),
        Whereabouts::Nowhere => Found::Nobody,
    }
}

fn mailbox(calendars: &Calendars, address: &str, back_end: usize, ews: String) -> Found {
    match calendars.info(address) {
        Some(info) => Found::Mailbox { address: info.address, name: info.name, back_end, ews },
        None => Found::Nobody,
    }
}

/// The address of EWS, as the outside is told.
fn ews_url(front: &Front) -> String {
    format!("{}/EWS/Exchange.asmx", front.origin)
}

fn legacy_dn(name: &str) -> String {
    format!("/o=Lab/ou=Exchange Administrative Group (FYDIBOHF23SPDLT)/cn=Recipients/cn={name}")
}

/// Text of every element called one of `names`, in order, as (name, text); `None` where the
/// document is not well-formed.
fn texts(body: &[u8], names: &[&str]) -> Option<Vec<(String, String)>> {
    let text = std::str::from_utf8(body).ok()?;
    let mut reader = Reader::from_str(text);
    let mut found = Vec::new();
    let mut open: Option<(String, String)> = None;
    let mut depth = 0usize;
    loop {
        match reader.read_event().ok()? {
            Event::Start(tag) => {
                depth += 1;
                let name = tag.local_name().as_ref().to_owned();
                if names.contains(&name.as_str()) {
                    open = Some((name, String::new()));
                }
            }
            Event::Text(value) => {
                if let Some((_, text)) = open.as_mut() {
                    text.push_str(value.trim());
                }
            }
            Event::GeneralRef(reference) => {
                if let Some((_, text)) = open.as_mut() {
                    let named = quick_xml::escape::resolve_predefined_entity(&reference);
                    let numbered = reference.resolve_char_ref().ok().flatten();
                    text.push_str(named.unwrap_or_default());
                    text.extend(numbered);
                }
            }
            Event::End(_) => {
                depth = depth.checked_sub(1)?;
                found.extend(open.take());
            }
            Event::Eof => return (depth == 0 && !body.is_empty()).then_some(found),
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_found_in_order_and_broken_documents_are_not_read() {
        let body = b"<a:X xmlns:a='u'><a:M> one </a:M><a:N/><a:O><a:M>two</a:M></a:O></a:X>";
        let pair = |text: &str| ("M".to_owned(), text.to_owned());
        let escaped = b"<X><M>o&amp;b&#64;c</M></X>";
        assert_eq!(texts(escaped, &["M"]), Some(vec![pair("o&b@c")]));
        assert_eq!(texts(body, &["M"]), Some(vec![pair("one"), pair("two")]));
        for broken in [&b""[..], b"<a><M>x</M>", b"<a></b>", b"</a>", b"<a>\xff</a>"] {
            assert_eq!(texts(broken, &["M"]), None, "{}", String::from_utf8_lossy(broken));
        }
    }
}
