//! Envelopes as they go out: the writer, whole answers, faults.

use super::tree::{MESSAGES, SOAP, TYPES, is_allowed};
use super::{Prefix, Release};

const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";
const XSD: &str = "http://www.w3.org/2001/XMLSchema";
const ERRORS: &str = "http://schemas.microsoft.com/exchange/services/2006/errors";

/// Appends elements to a text; `t:` and `m:` are declared around it.
#[derive(Debug, Default)]
pub(super) struct Writer {
    pub(super) text: String,
}

impl Writer {
    pub(super) fn open(&mut self, tag: &str) {
        self.text.push('<');
        self.text.push_str(tag);
        self.text.push('>');
    }

    pub(super) fn close(&mut self, tag: &str) {
        self.text.push_str("</");
        self.text.push_str(tag);
        self.text.push('>');
    }

    pub(super) fn leaf(&mut self, tag: &str, text: &str) {
        self.open(tag);
        escape(&mut self.text, text);
        self.close(tag);
    }

    pub(super) fn flag(&mut self, tag: &str, value: bool) {
        self.leaf(tag, if value { "true" } else { "false" });
    }

    pub(super) fn number(&mut self, tag: &str, value: i64) {
        self.leaf(tag, &value.to_string());
    }

    /// An element with attributes and no content.
    pub(super) fn empty(&mut self, tag: &str, attributes: &[(&str, &str)]) {
        self.start(tag, attributes);
        self.text.truncate(self.text.len() - 1);
        self.text.push_str("/>");
    }

    /// A start tag with attributes.
    pub(super) fn start(&mut self, tag: &str, attributes: &[(&str, &str)]) {
        self.text.push('<');
        self.text.push_str(tag);
        for (name, value) in attributes {
            self.text.push(' ');
            self.text.push_str(name);
            self.text.push_str("=\"");
            escape(&mut self.text, value);
            self.text.push('"');
        }
        self.text.push('>');
    }
}

/// Exchange escapes what XML does not allow, and so sends it; a carriage return too, which a reader
/// would make a line feed of.
pub(super) fn escape(out: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\r' => out.push_str("&#xD;"),
            c if is_allowed(c) => out.push(c),
            c => out.push_str(&format!("&#x{:X};", u32::from(c))),
        }
    }
}

/// Why an item or a whole operation failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Failure {
    pub(super) code: String,
    pub(super) text: String,
    /// Named values of `MessageXml`.
    pub(super) values: Vec<(String, String)>,
}

impl Failure {
    pub(super) fn new(code: &str, text: &str) -> Self {
        Self { code: code.to_owned(), text: text.to_owned(), values: Vec::new() }
    }

    /// The text that Exchange gives to a code.
    pub(super) fn of(code: &str) -> Self {
        Self::new(code, usual_text(code))
    }

    pub(super) fn with(mut self, name: &str, value: &str) -> Self {
        self.values.push((name.to_owned(), value.to_owned()));
        self
    }

    /// The common beginning of a failed response message.
    pub(super) fn write(&self, out: &mut Writer) {
        out.leaf("m:MessageText", &self.text);
        out.leaf("m:ResponseCode", &self.code);
        out.leaf("m:DescriptiveLinkKey", "0");
        if !self.values.is_empty() {
            out.open("m:MessageXml");
            for (name, value) in &self.values {
                out.start("t:Value", &[("Name", name)]);
                escape(&mut out.text, value);
                out.close("t:Value");
            }
            out.close("m:MessageXml");
        }
    }
}

fn usual_text(code: &str) -> &'static str {
    match code {
        "ErrorItemNotFound" => "The specified object was not found in the store.",
        "ErrorFolderNotFound" => "The specified folder could not be found in the store.",
        "ErrorFolderExists" => "A folder with the specified name already exists.",
        "ErrorDeleteDistinguishedFolder" => "Distinguished folders cannot be deleted.",
        "ErrorAccessDenied" => "Access is denied. Check credentials and try again.",
        "ErrorInvalidIdMalformed" => "Id is malformed.",
        "ErrorInvalidChangeKey" => "The change key is invalid.",
        "ErrorNonExistentMailbox" => "The SMTP address has no mailbox associated with it.",
        "ErrorImpersonateUserDenied" => {
            "The account does not have permission to impersonate the requested user."
        }
        "ErrorImpersonationDenied" => "The account does not have the right to impersonate.",
        "ErrorServerBusy" => "The server cannot service this request right now. Try again later.",
        "ErrorExceededConnectionCount" => {
            "You have exceeded the available concurrent connections for your account.  \
             Try again once your other requests have completed."
        }
        "ErrorExceededSubscriptionCount" => {
            "You have exceeded the available subscriptions for your account.  \
             Remove unnecessary subscriptions and try your request again."
        }
        "ErrorInvalidSyncStateData" => {
            "Synchronization state data is corrupt or otherwise invalid."
        }
        "ErrorIrresolvableConflict" => {
            "The send or update operation could not be performed because the change key passed in \
             the request does not match the current change key for the item."
        }
        "ErrorFreeBusyGenerationFailed" => "Unable to generate free/busy information.",
        "ErrorMailRecipientNotFound" => {
            "The e-mail address or addresses could not be found in the directory."
        }
        "ErrorCalendarIsCancelledForAccept"
        | "ErrorCalendarIsCancelledForTentative"
        | "ErrorCalendarIsCancelledForDecline" => {
            "The meeting has been cancelled and cannot be answered any more."
        }
        "ErrorSubscriptionNotFound" => "The specified subscription was not found.",
        "ErrorNewEventStreamConnectionOpened" => {
            "Another connection was opened against the same subscription."
        }
        "ErrorMailboxMoveInProgress" => "Mailbox move in progress. Try again later.",
        "ErrorInternalServerError" => "An internal server error occurred. The operation failed.",
        "ErrorMissingEmailAddress" => {
            "When making a request as an account that does not have a mailbox, you must specify \
             the mailbox primary SMTP address for any distinguished folder Ids."
        }
        _ => "The operation failed.",
    }
}

fn tags(prefix: Prefix) -> (&'static str, &'static str) {
    match prefix {
        Prefix::S => ("s:", "xmlns:s"),
        Prefix::Soap => ("soap:", "xmlns:soap"),
        Prefix::Soap11 => ("soap11:", "xmlns:soap11"),
        Prefix::UpperSoap => ("SOAP:", "xmlns:SOAP"),
        Prefix::Default => ("", "xmlns"),
    }
}

/// How its tags are written, and which server says that it wrote them.
pub(super) type Style<'a> = (Prefix, &'a Release);

fn begin((prefix, release): Style<'_>, hint: usize) -> Writer {
    let [major, minor, build, revision] = release.build();
    let (p, declaration) = tags(prefix);
    let mut out = Writer { text: String::with_capacity(hint + 900) };
    out.text.push_str("<?xml version=\"1.0\" encoding=\"utf-8\"?>");
    out.text.push_str(&format!("<{p}Envelope {declaration}=\"{SOAP}\"><{p}Header>"));
    out.text.push_str(&format!(
        "<h:ServerVersionInfo MajorVersion=\"{major}\" MinorVersion=\"{minor}\" \
         MajorBuildNumber=\"{build}\" MinorBuildNumber=\"{revision}\" Version=\"V2017_07_11\" xmlns:h=\"{TYPES}\" xmlns=\"{TYPES}\" \
         xmlns:xsd=\"{XSD}\" xmlns:xsi=\"{XSI}\"/></{p}Header>"
    ));
    out.text.push_str(&format!("<{p}Body xmlns:xsi=\"{XSI}\" xmlns:xsd=\"{XSD}\">"));
    out
}

fn end(mut out: Writer, prefix: Prefix) -> Vec<u8> {
    let (p, _) = tags(prefix);
    out.text.push_str(&format!("</{p}Body></{p}Envelope>"));
    out.text.into_bytes()
}

/// A whole envelope; `element` is the body's child without prefix, `inner` what is in it.
pub(super) fn answer(style: Style<'_>, element: &str, inner: &str) -> Vec<u8> {
    let mut out = begin(style, inner.len());
    out.text.push_str(&format!("<m:{element} xmlns:m=\"{MESSAGES}\" xmlns:t=\"{TYPES}\">"));
    out.text.push_str(inner);
    out.close(&format!("m:{element}"));
    end(out, style.0)
}

/// A SOAP fault with Exchange's detail.
pub(super) fn fault(style: Style<'_>, failure: &Failure, at: Option<(usize, usize)>) -> Vec<u8> {
    let (p, _) = tags(style.0);
    let mut out = begin(style, 0);
    let code = &failure.code;
    out.text.push_str(&format!(
        "<{p}Fault><faultcode xmlns:a=\"{TYPES}\" xmlns=\"\">a:{code}</faultcode>"
    ));
    out.text.push_str("<faultstring xml:lang=\"en-US\" xmlns=\"\">");
    escape(&mut out.text, &failure.text);
    out.text.push_str("</faultstring><detail xmlns=\"\">");
    for (name, text) in [("ResponseCode", code), ("Message", &failure.text)] {
        out.text.push_str(&format!("<e:{name} xmlns:e=\"{ERRORS}\">"));
        escape(&mut out.text, text);
        out.close(&format!("e:{name}"));
    }
    if at.is_some() || !failure.values.is_empty() {
        out.text.push_str(&format!("<t:MessageXml xmlns:t=\"{TYPES}\">"));
        if let Some((line, column)) = at {
            out.leaf("t:LineNumber", &line.to_string());
            out.leaf("t:LinePosition", &column.to_string());
            out.leaf("t:Violation", &failure.text);
        }
        for (name, value) in &failure.values {
            out.start("t:Value", &[("Name", name)]);
            escape(&mut out.text, value);
            out.close("t:Value");
        }
        out.close("t:MessageXml");
    }
    out.close("detail");
    out.close(&format!("{p}Fault"));
    end(out, style.0)
}

/// Strews what XML 1.0 forbids over the free texts of an envelope.
pub(super) fn strew(body: Vec<u8>) -> Vec<u8> {
    let Ok(mut text) = String::from_utf8(body) else { return Vec::new() };
    for tag in ["<t:Subject>", "<t:Location>", "<t:Name>", "<m:MessageText>"] {
        text = text.replace(tag, &format!("{tag}&#x0;\u{b}&#x1F;"));
    }
    for tag in ["</t:Body>", "</t:Subject>"] {
        text = text.replace(tag, &format!("\u{1}&#xFFFE;{tag}"));
    }
    text.into_bytes()
}
