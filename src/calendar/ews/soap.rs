//! The envelope around every request and answer ([MS-OXWSMSG], [MS-OXWSCDATA] 2.2.4.61), and what
//! an answer says about its own success.

use std::fmt::Write as _;

use super::codes;
use super::xml::{Element, Pull, decode, malformed, push_escaped};
use crate::model::{Address, Fault, Span};

/// The protocol version that is asked for. Servers report later ones and refuse them; what they
/// report is never echoed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ServerVersion {
    /// Exchange 2013 SP1 and everything after it.
    Exchange2013Sp1,
    /// What is left where that is refused.
    Exchange2010Sp2,
}

impl ServerVersion {
    /// As requests have it.
    pub(super) fn text(self) -> &'static str {
        match self {
            Self::Exchange2013Sp1 => "Exchange2013_SP1",
            Self::Exchange2010Sp2 => "Exchange2010_SP2",
        }
    }
}

/// What the header of a request says.
#[derive(Clone, Copy, Debug)]
pub struct Header<'a> {
    /// The version asked for.
    pub version: ServerVersion,
    /// Whose mailbox is meant, and whose budget pays.
    pub impersonate: &'a Address,
}

/// Writes an envelope; `operation` is the name, `content` what stands in it.
pub fn envelope(
    header: &Header<'_>,
    operation: &str,
    attributes: &str,
    content: impl FnOnce(&mut String),
) -> String {
    written((header.version, Some(header.impersonate)), operation, attributes, content)
}

/// The same in nobody's name: what concerns no mailbox.
pub(super) fn own_envelope(
    version: ServerVersion,
    operation: &str,
    attributes: &str,
    content: impl FnOnce(&mut String),
) -> String {
    written((version, None), operation, attributes, content)
}

fn written(
    (version, whose): (ServerVersion, Option<&Address>),
    operation: &str,
    attributes: &str,
    content: impl FnOnce(&mut String),
) -> String {
    let mut out = String::with_capacity(2048);
    out.push_str(concat!(
        r#"<?xml version="1.0" encoding="utf-8"?>"#,
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/""#,
        r#" xmlns:m="http://schemas.microsoft.com/exchange/services/2006/messages""#,
        r#" xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><s:Header>"#,
    ));
    let _ = write!(out, r#"<t:RequestServerVersion Version="{}"/>"#, version.text());
    if let Some(whose) = whose {
        out.push_str("<t:ExchangeImpersonation><t:ConnectingSID><t:SmtpAddress>");
        push_escaped(&mut out, whose.reveal());
        out.push_str("</t:SmtpAddress></t:ConnectingSID></t:ExchangeImpersonation>");
    }
    out.push_str("</s:Header><s:Body>");
    let _ = write!(out, "<m:{operation}{attributes}>");
    content(&mut out);
    let _ = write!(out, "</m:{operation}></s:Body></s:Envelope>");
    out
}

/// `<t:FieldURI FieldURI="…"/>` for each.
pub(super) fn push_fields<'a>(out: &mut String, fields: impl IntoIterator<Item = &'a str>) {
    out.push_str("<t:AdditionalProperties>");
    push_field_uris(out, fields);
    out.push_str("</t:AdditionalProperties>");
}

/// The same without what is around them.
pub(super) fn push_field_uris<'a>(out: &mut String, fields: impl IntoIterator<Item = &'a str>) {
    for field in fields {
        let _ = write!(out, r#"<t:FieldURI FieldURI="{field}"/>"#);
    }
}

/// The mailbox owner's own calendar.
pub(super) const CALENDAR_FOLDER: &str = r#"<t:DistinguishedFolderId Id="calendar"/>"#;

/// One response message: what the operation reads of it, and whether it succeeded.
#[derive(Debug)]
pub struct Answered<T> {
    /// What was read, also beside an error.
    pub value: T,
    /// `Err` with the response code as cause.
    pub outcome: Result<(), Fault>,
}

impl<T> Answered<T> {
    /// The value, or why there is none.
    pub fn into_result(self) -> Result<T, Fault> {
        self.outcome.map(|()| self.value)
    }
}

/// Reads the response messages of an answer, in their order. `read` gets each element that is not
/// part of every response message, and says whether it has read it to its end.
pub(super) fn answers<T: Default>(
    xml: &[u8],
    mut read: impl FnMut(&mut Pull<'_>, &Element<'_>, &mut T) -> Result<bool, Fault>,
) -> Result<Vec<Answered<T>>, Fault> {
    let mut found = Vec::new();
    content(xml, |pull, element| {
        if element.name() != "ResponseMessages" {
            return Ok(false);
        }
        while let Some(message) = pull.child()? {
            found.push(answer(pull, &message, &mut read)?);
        }
        Ok(true)
    })?;
    Ok(found)
}

/// Reads an answer without a list of response messages: `read` gets each child of the operation's
/// element, and says whether it has read it to its end.
pub(super) fn content(
    xml: &[u8],
    mut read: impl FnMut(&mut Pull<'_>, &Element<'_>) -> Result<bool, Fault>,
) -> Result<(), Fault> {
    let text = decode(xml);
    let mut pull = Pull::new(&text);
    enter_body(&mut pull)?;
    while let Some(element) = pull.child()? {
        if !read(&mut pull, &element)? {
            pull.skip()?;
        }
    }
    Ok(())
}

/// Reads a response message that stands in no list and has nothing of its own: the inner result is
/// what it says, the outer whether it could be read.
pub(super) fn verdict(
    pull: &mut Pull<'_>,
    message: &Element<'_>,
) -> Result<Result<(), Fault>, Fault> {
    Ok(answer::<()>(pull, message, &mut |_, _, ()| Ok(false))?.outcome)
}

/// The only response message of an answer.
pub(super) fn only<T>(answers: Vec<Answered<T>>) -> Result<T, Fault> {
    answers.into_iter().next().ok_or_else(malformed)?.into_result()
}

/// Goes into the one element of the body; a SOAP fault there is `Err`.
fn enter_body(pull: &mut Pull<'_>) -> Result<(), Fault> {
    match pull.child()? {
        Some(element) if element.name() == "Envelope" => {}
        _ => return Err(malformed()),
    }
    while let Some(element) = pull.child()? {
        if element.name() != "Body" {
            pull.skip()?;
            continue;
        }
        let operation = pull.child()?.ok_or_else(malformed)?;
        return match operation.name() {
            "Fault" => Err(read_fault(pull)?),
            _ => Ok(()),
        };
    }
    Err(malformed())
}

fn answer<T: Default>(
    pull: &mut Pull<'_>,
    message: &Element<'_>,
    read: &mut impl FnMut(&mut Pull<'_>, &Element<'_>, &mut T) -> Result<bool, Fault>,
) -> Result<Answered<T>, Fault> {
    let class = message.attribute("ResponseClass").unwrap_or_default();
    let mut value = T::default();
    let mut said = Said::default();
    while let Some(element) = pull.child()? {
        match element.name() {
            "ResponseCode" => said.code = pull.text()?,
            "MessageXml" => said.read_message_xml(pull)?,
            // It may quote the request.
            "MessageText" | "DescriptiveLinkKey" => pull.skip()?,
            _ => {
                if !read(pull, &element, &mut value)? {
                    pull.skip()?;
                }
            }
        }
    }
    let ok = said.code == "NoError" || (class == "Success" && said.code.is_empty());
    let outcome = if ok { Ok(()) } else { Err(said.fault()) };
    Ok(Answered { value, outcome })
}

/// What a response message or a SOAP fault says about a failure.
#[derive(Default)]
struct Said {
    code: String,
    inner: Option<String>,
    back_off: Option<Span>,
}

impl Said {
    /// `<t:Value Name="BackOffMilliseconds">`, and the code inside an `ErrorInternalServerError`.
    fn read_message_xml(&mut self, pull: &mut Pull<'_>) -> Result<(), Fault> {
        while let Some(element) = pull.child()? {
            if element.name() != "Value" {
                pull.skip()?;
                continue;
            }
            let name = element.attribute("Name").unwrap_or_default();
            let text = pull.text()?;
            match name.as_str() {
                "BackOffMilliseconds" => {
                    self.back_off = text.trim().parse().ok().map(Span::from_ms);
                }
                "InnerErrorResponseCode" => self.inner = Some(text.trim().to_owned()),
                _ => {}
            }
        }
        Ok(())
    }

    fn fault(&self) -> Fault {
        let code = match &self.inner {
            Some(inner) if !inner.is_empty() && inner != "NoError" => inner,
            _ => &self.code,
        };
        codes::fault(code.trim(), self.back_off)
    }
}

fn read_fault(pull: &mut Pull<'_>) -> Result<Fault, Fault> {
    let mut said = Said::default();
    let mut fault_code = String::new();
    while let Some(element) = pull.child()? {
        match element.name() {
            "faultcode" => fault_code = pull.text()?,
            "detail" => read_detail(pull, &mut said)?,
            _ => pull.skip()?,
        }
    }
    if said.code.is_empty() {
        let local = fault_code.rsplit_once(':').map_or(fault_code.as_str(), |(_, local)| local);
        local.trim().clone_into(&mut said.code);
    }
    Ok(said.fault())
}

fn read_detail(pull: &mut Pull<'_>, said: &mut Said) -> Result<(), Fault> {
    while let Some(element) = pull.child()? {
        match element.name() {
            "ResponseCode" => said.code = pull.text()?,
            "MessageXml" => said.read_message_xml(pull)?,
            _ => pull.skip()?,
        }
    }
    Ok(())
}

/// The fault that an answer with an HTTP error status carries, if it is a SOAP fault.
pub fn fault_in(xml: &[u8]) -> Option<Fault> {
    let text = decode(xml);
    let mut pull = Pull::new(&text);
    match enter_body(&mut pull) {
        Err(fault) if fault.cause.code != super::xml::MALFORMED => Some(fault),
        _ => None,
    }
}

/// What a server is, as it reports itself: major and minor version, and the two numbers of the
/// build.
pub(super) type Build = (u32, u32, u32, u32);

/// The build that the header of an answer reports: in attributes (EWS), or in elements
/// (Autodiscover).
pub(super) fn build(xml: &[u8]) -> Option<Build> {
    const NAMES: [&str; 4] =
        ["MajorVersion", "MinorVersion", "MajorBuildNumber", "MinorBuildNumber"];
    let text = decode(xml);
    let mut pull = Pull::new(&text);
    pull.child().ok()?.filter(|top| top.name() == "Envelope")?;
    pull.child().ok()?.filter(|part| part.name() == "Header")?;
    while let Some(element) = pull.child().ok()? {
        if element.name() != "ServerVersionInfo" {
            pull.skip().ok()?;
            continue;
        }
        let mut found = NAMES.map(|name| element.attribute(name)?.trim().parse::<u32>().ok());
        while let Some(part) = pull.child().ok()? {
            let at = NAMES.iter().position(|name| *name == part.name());
            let number = pull.text().ok()?.trim().parse::<u32>().ok();
            if let Some(place) = at.and_then(|at| found.get_mut(at)) {
                *place = number;
            }
        }
        let [major, minor, build, revision] = found;
        return Some((major?, minor?, build?, revision.unwrap_or(0)));
    }
    None
}

/// What a message is, request or answer: the name of the element in its body, or of its top where
/// there is no envelope. It is walked to its end.
///
/// # Errors
/// Where it is not well-formed, or there is nothing in its body.
pub fn operation(xml: &[u8]) -> Result<String, Fault> {
    let text = decode(xml);
    let mut pull = Pull::new(&text);
    let top = pull.child()?.ok_or_else(malformed)?;
    let mut name = None;
    if top.name() == "Envelope" {
        while let Some(part) = pull.child()? {
            let is_body = part.name() == "Body";
            while let Some(element) = pull.child()? {
                if is_body && name.is_none() {
                    name = Some(element.name().to_owned());
                }
                pull.skip()?;
            }
        }
    } else {
        name = Some(top.name().to_owned());
        pull.skip()?;
    }
    match pull.child()? {
        None => name.ok_or_else(malformed),
        Some(_) => Err(malformed()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Next;

    /// What Exchange 2013 says when it is busy, from Microsoft's page on throttling.
    const BUSY: &str = r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/"><s:Body>
        <s:Fault><faultcode xmlns:a="http://schemas.microsoft.com/exchange/services/2006/types"
        >a:ErrorServerBusy</faultcode><faultstring xml:lang="en-US">The server cannot service this
        request right now. Try again later.</faultstring><detail><e:ResponseCode
        xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors"
        >ErrorServerBusy</e:ResponseCode>
        <e:Message xmlns:e="http://schemas.microsoft.com/exchange/services/2006/errors">The server
        cannot service this request right now.</e:Message><t:MessageXml
        xmlns:t="http://schemas.microsoft.com/exchange/services/2006/types"><t:Value
        Name="BackOffMilliseconds">297749</t:Value></t:MessageXml></detail></s:Fault></s:Body>
        </s:Envelope>"#;

    fn outcomes(xml: &str) -> Result<Vec<Result<(), Fault>>, Fault> {
        let read = |_: &mut Pull<'_>, _: &Element<'_>, (): &mut ()| Ok(false);
        Ok(answers(xml.as_bytes(), read)?.into_iter().map(|answered| answered.outcome).collect())
    }

    fn message(class: &str, content: &str) -> String {
        format!(
            "<Envelope><Header/><Body><XResponse><ResponseMessages><XResponseMessage \
             ResponseClass='{class}'>{content}</XResponseMessage></ResponseMessages></XResponse>\
             </Body></Envelope>"
        )
    }

    #[test]
    fn a_server_says_which_one_it_is() {
        let header = |info: &str| format!("<Envelope><Header><A>1</A>{info}</Header><Body/>");
        let of = |info: &str| build(header(info).as_bytes());
        let ews = "<h:ServerVersionInfo xmlns:h='h' MajorVersion='15' MinorVersion='2' \
            MajorBuildNumber='1748' MinorBuildNumber='10' Version='V2017_07_11'/>";
        assert_eq!(of(ews), Some((15, 2, 1748, 10)));
        let autodiscover = "<h:ServerVersionInfo xmlns:h='h'><h:MajorVersion>14</h:MajorVersion>\
            <h:MinorVersion>3</h:MinorVersion><h:MajorBuildNumber>123</h:MajorBuildNumber>\
            <h:Version>Exchange2010_SP2</h:Version></h:ServerVersionInfo>";
        assert_eq!(of(autodiscover), Some((14, 3, 123, 0)));
        for strange in ["", "<ServerVersionInfo MajorVersion='-1'/>", "<ServerVersionInfo>"] {
            assert_eq!(of(strange), None, "{strange}");
        }
        assert_eq!(build(b"<html>"), None);
        assert_eq!(build(b""), None);
    }

    #[test]
    fn a_soap_fault_is_read_with_its_wait() {
        let expected = Next::BackOff { after: Some(Span::from_ms(297_749)) };
        assert_eq!(outcomes(BUSY).unwrap_err().next, expected);
        assert_eq!(fault_in(BUSY.as_bytes()).unwrap().cause.code, "ErrorServerBusy");
        assert_eq!(fault_in(b"<html><body>Runtime Error</body></html>"), None);
        assert_eq!(fault_in(b""), None);
    }

    #[test]
    fn a_fault_without_detail_is_known_by_its_fault_code() {
        let xml = "<E:Envelope xmlns:E='x'><E:Body><E:Fault><faultcode>q:ErrorSchemaValidation\
                   </faultcode></E:Fault></E:Body></E:Envelope>";
        assert_eq!(outcomes(xml).unwrap_err(), Fault::refused("ErrorSchemaValidation"));
    }

    #[test]
    fn a_busy_server_hides_in_an_internal_error() {
        let xml = message(
            "Error",
            "<MessageText>x</MessageText><ResponseCode>ErrorInternalServerError</ResponseCode>\
             <DescriptiveLinkKey>0</DescriptiveLinkKey><MessageXml><Value \
             Name='InnerErrorMessageText'>busy</Value><Value Name='InnerErrorResponseCode'>\
             ErrorServerBusy</Value><Value Name='BackOffMilliseconds'>2500</Value></MessageXml>",
        );
        let expected = Next::BackOff { after: Some(Span::from_ms(2500)) };
        assert_eq!(outcomes(&xml).unwrap()[0].as_ref().unwrap_err().next, expected);
    }

    #[test]
    fn success_is_what_says_no_error() {
        for (class, code, ok) in [
            ("Success", "NoError", true),
            ("Warning", "NoError", true),
            ("Warning", "ErrorBatchProcessingStopped", false),
            ("Error", "ErrorItemNotFound", false),
            ("Error", "", false),
        ] {
            let xml = message(class, &format!("<ResponseCode>{code}</ResponseCode>"));
            assert_eq!(outcomes(&xml).unwrap()[0].is_ok(), ok, "{class} {code}");
        }
        assert!(outcomes(&message("Success", "")).unwrap()[0].is_ok());
    }

    #[test]
    fn what_is_no_soap_answer_is_malformed() {
        for xml in [
            "",
            "not xml",
            "<html/>",
            "<Envelope/>",
            "<Envelope><Body/></Envelope>",
            "<Envelope><Body><X>",
        ] {
            assert_eq!(outcomes(xml).unwrap_err(), malformed(), "{xml}");
        }
    }

    #[test]
    fn the_header_is_escaped() {
        let address = Address::parse("o'hara&sons@corp.example").unwrap();
        let header = Header { version: ServerVersion::Exchange2010Sp2, impersonate: &address };
        let xml = envelope(&header, "X", "", |_| {});
        assert!(xml.contains("<t:SmtpAddress>o'hara&amp;sons@corp.example</t:SmtpAddress>"));
        assert!(xml.contains(r#"Version="Exchange2010_SP2""#));
    }

    #[test]
    fn a_message_is_named_by_what_stands_in_its_body() {
        let name = |xml: &str| operation(xml.as_bytes());
        let whole = "<?xml version='1.0'?><s:Envelope><s:Header><t:X/></s:Header><s:Body>\
                     <m:GetItem><m:ItemIds/></m:GetItem></s:Body></s:Envelope>\n";
        assert_eq!(name(whole).as_deref(), Ok("GetItem"));
        assert_eq!(name("<Autodiscover><Request/></Autodiscover>").as_deref(), Ok("Autodiscover"));
        for bad in [
            "",
            "text",
            "<Envelope><Body/></Envelope>",
            "<Envelope><Header><X/></Header></Envelope>",
            "<Envelope><Body><X></Body></Envelope>",
            "<Envelope><Body><X/></Body>",
            "<Autodiscover/><Autodiscover/>",
        ] {
            assert_eq!(name(bad), Err(malformed()), "{bad}");
        }
    }
}
