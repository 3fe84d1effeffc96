//! A request as a tree: names with their namespaces, attributes and text.

use std::fmt;

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

/// The namespaces that a request may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ns {
    Soap,
    Messages,
    Types,
    Other,
}

pub(super) const SOAP: &str = "http://schemas.xmlsoap.org/soap/envelope/";
pub(super) const MESSAGES: &str = "http://schemas.microsoft.com/exchange/services/2006/messages";
pub(super) const TYPES: &str = "http://schemas.microsoft.com/exchange/services/2006/types";

impl Ns {
    fn of(uri: &str) -> Self {
        match uri {
            SOAP => Ns::Soap,
            MESSAGES => Ns::Messages,
            TYPES => Ns::Types,
            _ => Ns::Other,
        }
    }
}

/// One element.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) ns: Ns,
    pub(super) name: String,
    attributes: Vec<(String, String)>,
    pub(super) children: Vec<Node>,
    pub(super) text: String,
}

/// Why a request is no request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Broken {
    pub(super) violation: String,
    pub(super) line: usize,
    pub(super) column: usize,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.violation)
    }
}

const DEEPEST: usize = 64;

impl Node {
    /// The attribute of this name.
    pub(super) fn attribute(&self, name: &str) -> Option<&str> {
        self.attributes.iter().find(|(own, _)| own == name).map(|(_, value)| value.as_str())
    }

    /// The first child of this name.
    pub(super) fn child(&self, name: &str) -> Option<&Node> {
        self.children.iter().find(|child| child.name == name)
    }

    /// Whether this and everything in it is of the EWS namespaces.
    pub(super) fn is_of_ews(&self) -> bool {
        matches!(self.ns, Ns::Messages | Ns::Types) && self.children.iter().all(Node::is_of_ews)
    }

    /// The text of the first child of this name.
    pub(super) fn text_of(&self, name: &str) -> Option<&str> {
        self.child(name).map(|child| child.text.trim())
    }

    /// The children of the first child of this name.
    pub(super) fn list(&self, name: &str) -> &[Node] {
        self.child(name).map_or(&[], |child| &child.children)
    }
}

struct Scope {
    prefix: String,
    ns: Ns,
    depth: usize,
}

/// Reads a document; what XML 1.0 forbids is an error here as it is in Exchange.
pub(super) fn read(bytes: &[u8]) -> Result<Node, Broken> {
    let text = std::str::from_utf8(bytes)
        .map_err(|error| broken(bytes, error.valid_up_to(), "invalid UTF-8".to_owned()))?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if let Some(at) = text.find(|c: char| !is_allowed(c)) {
        let bad = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or('\0');
        return Err(broken(bytes, at, invalid_character(bad)));
    }
    let mut reader = Reader::from_str(text);
    let mut scopes: Vec<Scope> = Vec::new();
    let mut open: Vec<Node> = Vec::new();
    let mut root = None;
    loop {
        let event = reader.read_event();
        let at = usize::try_from(reader.buffer_position()).unwrap_or(0);
        let fail = |violation: String| broken(bytes, at, violation);
        match event.map_err(|error| fail(error.to_string()))? {
            Event::Start(start) => {
                if open.len() >= DEEPEST {
                    return Err(fail("too deep".to_owned()));
                }
                let node = element(&start, &mut scopes, open.len()).map_err(fail)?;
                open.push(node);
            }
            Event::Empty(start) => {
                let node = element(&start, &mut scopes, open.len()).map_err(fail)?;
                scopes.retain(|scope| scope.depth < open.len());
                close(node, &mut open, &mut root).map_err(fail)?;
            }
            Event::End(_) => {
                let node = open.pop().ok_or_else(|| fail("unexpected end tag".to_owned()))?;
                scopes.retain(|scope| scope.depth < open.len());
                close(node, &mut open, &mut root).map_err(fail)?;
            }
            Event::Text(text) => add(&mut open, &text.xml10_content()),
            Event::CData(text) => add(&mut open, &text.xml10_content()),
            Event::GeneralRef(reference) => {
                let name = reference.xml10_content();
                add(&mut open, &resolve(&name).map_err(fail)?);
            }
            Event::DocType(_) => {
                return Err(fail("For security reasons DTD is prohibited.".to_owned()));
            }
            Event::Decl(_) | Event::PI(_) | Event::Comment(_) => {}
            Event::Eof => break,
        }
    }
    if let Some(node) = open.last() {
        let violation = format!("The '{}' start tag does not match an end tag.", node.name);
        return Err(broken(bytes, bytes.len(), violation));
    }
    root.ok_or_else(|| broken(bytes, 0, "Root element is missing.".to_owned()))
}

fn close(node: Node, open: &mut [Node], root: &mut Option<Node>) -> Result<(), String> {
    match open.last_mut() {
        Some(parent) => parent.children.push(node),
        None if root.is_none() => *root = Some(node),
        None => return Err("There are multiple root elements.".to_owned()),
    }
    Ok(())
}

fn add(open: &mut [Node], text: &str) {
    if let Some(node) = open.last_mut() {
        node.text.push_str(text);
    }
}

fn element(start: &BytesStart<'_>, scopes: &mut Vec<Scope>, depth: usize) -> Result<Node, String> {
    let mut attributes = Vec::new();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let key: &str = attribute.key.as_ref();
        let value = unescape(&attribute.value)?;
        if key == "xmlns" {
            scopes.push(Scope { prefix: String::new(), ns: Ns::of(&value), depth });
        } else if let Some(prefix) = key.strip_prefix("xmlns:") {
            scopes.push(Scope { prefix: prefix.to_owned(), ns: Ns::of(&value), depth });
        } else {
            attributes.push((key.to_owned(), value));
        }
    }
    let name = start.name();
    let whole: &str = name.as_ref();
    let (prefix, local) = whole.split_once(':').unwrap_or(("", whole));
    let ns = scopes.iter().rev().find(|scope| scope.prefix == prefix).map(|scope| scope.ns);
    let ns = match ns {
        Some(ns) => ns,
        None if prefix.is_empty() => Ns::Other,
        None => return Err(format!("'{prefix}' is an undeclared prefix.")),
    };
    Ok(Node { ns, name: local.to_owned(), attributes, children: Vec::new(), text: String::new() })
}

fn unescape(value: &str) -> Result<String, String> {
    let mut text = String::with_capacity(value.len());
    let mut rest = value;
    while let Some((before, after)) = rest.split_once('&') {
        let (name, after) = after.split_once(';').ok_or("'&' without ';'")?;
        text.push_str(before);
        text.push_str(&resolve(name)?);
        rest = after;
    }
    text.push_str(rest);
    Ok(text)
}

fn resolve(name: &str) -> Result<String, String> {
    let code = match name {
        "lt" => return Ok("<".to_owned()),
        "gt" => return Ok(">".to_owned()),
        "amp" => return Ok("&".to_owned()),
        "quot" => return Ok("\"".to_owned()),
        "apos" => return Ok("'".to_owned()),
        _ => match name.strip_prefix("#x") {
            Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16).ok(),
            None => name.strip_prefix('#').and_then(|decimal| decimal.parse().ok()),
        },
    };
    let code = code.ok_or_else(|| format!("Reference to undeclared entity '{name}'."))?;
    match char::from_u32(code) {
        Some(c) if is_allowed(c) => Ok(c.to_string()),
        _ => Err(format!("'', hexadecimal value 0x{code:02X}, is an invalid character.")),
    }
}

fn invalid_character(c: char) -> String {
    format!("'', hexadecimal value 0x{:02X}, is an invalid character.", u32::from(c))
}

/// `Char` of XML 1.0.
pub(super) fn is_allowed(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn broken(bytes: &[u8], at: usize, violation: String) -> Broken {
    let before = bytes.get(..at.min(bytes.len())).unwrap_or_default();
    let line = before.iter().filter(|byte| **byte == b'\n').count() + 1;
    let column = before.iter().rev().take_while(|byte| **byte != b'\n').count() + 1;
    Broken { violation, line, column }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prefixes_and_default_namespaces_mean_the_same() {
        for text in [
            format!(
                "<s:Envelope xmlns:s='{SOAP}'><s:Body>\
                 <m:GetItem xmlns:m='{MESSAGES}' a='1&amp;2'>x&lt;<![CDATA[<y>]]></m:GetItem>\
                 </s:Body></s:Envelope>"
            ),
            format!(
                "<Envelope xmlns='{SOAP}'><Body>\
                 <GetItem xmlns='{MESSAGES}' a='1&#38;2'>x&#60;&lt;y></GetItem></Body></Envelope>"
            ),
        ] {
            let root = read(text.as_bytes()).expect("well-formed");
            assert_eq!((root.ns, root.name.as_str()), (Ns::Soap, "Envelope"));
            let body = root.child("Body").and_then(|body| body.child("GetItem")).expect("there");
            assert_eq!(body.ns, Ns::Messages);
            assert_eq!(body.attribute("a"), Some("1&2"));
            assert_eq!(body.text, "x<<y>");
        }
    }

    #[test]
    fn what_is_not_xml_is_refused() {
        for text in [
            "",
            "<a>",
            "<a></b>",
            "<a/><b/>",
            "<a>&#x0;</a>",
            "<a>\u{b}</a>",
            "<a>&nope;</a>",
            "<p:a/>",
            "<!DOCTYPE a><a/>",
            "<a b='&#x1;'/>",
            "<a",
            "</a>",
        ] {
            assert!(read(text.as_bytes()).is_err(), "{text:?}");
        }
        assert!(read(b"<a>\xff</a>").is_err());
        let error = read("<a>\n \u{1}</a>".as_bytes()).expect_err("a control character");
        assert_eq!((error.line, error.column), (2, 2));
    }
}
