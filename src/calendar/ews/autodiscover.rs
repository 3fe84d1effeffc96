//! Autodiscover in its two lesser forms, which tell only where a mailbox's server is: POX
//! ([MS-OXDSCLI]) and the JSON of version 2. Requests and answers only; the form that tells more is
//! [`get_user_settings`](super::get_user_settings).

use std::fmt::Write as _;

use serde::Deserialize;

use super::xml::{Pull, decode, malformed, push_escaped};
use crate::model::{Address, Fault, Next, Plain};

/// What POX and JSON say about one mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// Here is its EWS.
    Ews(String),
    /// Ask again for this address.
    Address(Plain),
    /// Ask again there.
    Url(String),
}

/// Asks POX Autodiscover for one mailbox ([MS-OXDSCLI] 2.2.3).
pub fn pox_request(address: &Address) -> String {
    let mut out = String::from(concat!(
        r#"<?xml version="1.0" encoding="utf-8"?>"#,
        r#"<Autodiscover xmlns="http://schemas.microsoft.com/exchange/autodiscover/outlook"#,
        r#"/requestschema/2006"><Request><EMailAddress>"#,
    ));
    push_escaped(&mut out, address.reveal());
    out.push_str(concat!(
        "</EMailAddress><AcceptableResponseSchema>http://schemas.microsoft.com/exchange/",
        "autodiscover/outlook/responseschema/2006a</AcceptableResponseSchema></Request>",
        "</Autodiscover>",
    ));
    out
}

/// Reads a POX answer; it may hold an error although its status is 200.
///
/// # Errors
/// [`Next::Gone`] where the address is not known there, or a malformed answer.
pub fn read_pox(xml: &[u8]) -> Result<Place, Fault> {
    let text = decode(xml);
    let mut pull = Pull::new(&text);
    enter(&mut pull, "Autodiscover")?;
    enter(&mut pull, "Response")?;
    let mut found = PoxAnswer::default();
    while let Some(element) = pull.child()? {
        match element.name() {
            "Account" => found.read_account(&mut pull)?,
            "Error" => return Err(pox_error(&mut pull)?),
            _ => pull.skip()?,
        }
    }
    if let Some(address) = found.redirect_address {
        return Ok(Place::Address(Plain::new(address)));
    }
    if let Some(url) = found.redirect_url {
        return Ok(Place::Url(url));
    }
    // From inside: the address for the own network comes first.
    found.internal.or(found.external).map(Place::Ews).ok_or_else(malformed)
}

/// 500 says that the address is not known; the others that the service did not come to look.
fn pox_error(pull: &mut Pull<'_>) -> Result<Fault, Fault> {
    let mut code = String::new();
    while let Some(element) = pull.child()? {
        match element.name() {
            "ErrorCode" => code = pull.text()?,
            _ => pull.skip()?,
        }
    }
    Ok(match code.trim() {
        "500" => unknown_address(),
        code if code.chars().all(|c| c.is_ascii_digit()) => {
            Fault::retry(format!("Autodiscover error {code}"))
        }
        _ => Fault::retry("Autodiscover error"),
    })
}

fn unknown_address() -> Fault {
    Fault::new(Next::Gone, "Autodiscover does not know the address")
}

#[derive(Default)]
struct PoxAnswer {
    redirect_address: Option<String>,
    redirect_url: Option<String>,
    internal: Option<String>,
    external: Option<String>,
}

impl PoxAnswer {
    fn read_account(&mut self, pull: &mut Pull<'_>) -> Result<(), Fault> {
        while let Some(element) = pull.child()? {
            match element.name() {
                "RedirectAddr" => self.redirect_address = filled(pull)?,
                "RedirectUrl" => self.redirect_url = filled(pull)?,
                "Protocol" => self.read_protocol(pull)?,
                _ => pull.skip()?,
            }
        }
        Ok(())
    }

    fn read_protocol(&mut self, pull: &mut Pull<'_>) -> Result<(), Fault> {
        let (mut kind, mut url) = (String::new(), None);
        while let Some(element) = pull.child()? {
            match element.name() {
                "Type" => kind = pull.text()?,
                "EwsUrl" => url = filled(pull)?,
                "ASUrl" if url.is_none() => url = filled(pull)?,
                _ => pull.skip()?,
            }
        }
        match kind.trim() {
            "EXCH" => self.internal = url,
            "EXPR" => self.external = url,
            _ => {}
        }
        Ok(())
    }
}

fn filled(pull: &mut Pull<'_>) -> Result<Option<String>, Fault> {
    let text = pull.text()?;
    Ok(Some(text.trim().to_owned()).filter(|text| !text.is_empty()))
}

/// Goes into the next child of this name.
pub(super) fn enter(pull: &mut Pull<'_>, name: &str) -> Result<(), Fault> {
    while let Some(element) = pull.child()? {
        if element.name() == name {
            return Ok(());
        }
        pull.skip()?;
    }
    Err(malformed())
}

/// The path of version 2 for one mailbox; it needs no sign-in.
pub fn json_path(address: &Address) -> String {
    let mut out = String::from("/autodiscover/autodiscover.json/v1.0/");
    for byte in address.reveal().bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b'@' => {
                out.push(char::from(byte));
            }
            byte => {
                let _ = write!(out, "%{byte:02X}");
            }
        }
    }
    out.push_str("?Protocol=EWS");
    out
}

/// Reads the answer of version 2.
///
/// # Errors
/// [`Next::Gone`] where the address is not known there, or a malformed answer.
pub fn read_json(json: &[u8]) -> Result<Place, Fault> {
    #[derive(Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        url: Option<String>,
        error_code: Option<String>,
    }
    let answer: Answer = serde_json::from_slice(json).map_err(|_| malformed())?;
    match answer.error_code.as_deref() {
        None => {}
        Some("UserNotFound") => return Err(unknown_address()),
        Some(_) => return Err(Fault::retry("Autodiscover error")),
    }
    answer.url.filter(|url| !url.is_empty()).map(Place::Ews).ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pox(content: &str) -> Result<Place, Fault> {
        let xml = format!("<Autodiscover><Response><User/>{content}</Response></Autodiscover>");
        read_pox(xml.as_bytes())
    }

    #[test]
    fn pox_names_a_place_or_where_to_ask() {
        let both = "<Account><AccountType>email</AccountType><Action>settings</Action><Protocol>\
            <Type>EXPR</Type><ASUrl>https://out/EWS</ASUrl></Protocol><Protocol><Type>EXCH</Type>\
            <EwsUrl>\
            https://in/EWS</EwsUrl><ASUrl>https://in/as</ASUrl></Protocol></Account>";
        assert_eq!(pox(both), Ok(Place::Ews("https://in/EWS".into())));
        let address = "<Account><Action>redirectAddr</Action><RedirectAddr>a@b.example\
            </RedirectAddr></Account>";
        assert_eq!(pox(address), Ok(Place::Address(Plain::new("a@b.example"))));
        let url =
            "<Account><Action>redirectUrl</Action><RedirectUrl>https://c/x</RedirectUrl></Account>";
        assert_eq!(pox(url), Ok(Place::Url("https://c/x".into())));
        let error = "<Error Time='1' Id='2'><ErrorCode>500</ErrorCode></Error>";
        assert_eq!(pox(error).unwrap_err().next, Next::Gone);
        let away = "<Error><ErrorCode>603</ErrorCode><DebugData/></Error>";
        assert_eq!(pox(away).unwrap_err(), Fault::retry("Autodiscover error 603"));
        assert_eq!(pox(""), Err(malformed()));
    }

    #[test]
    fn version_two_names_a_place() {
        let found = read_json(br#"{"Protocol":"EWS","Url":"https://m/EWS/Exchange.asmx"}"#);
        assert_eq!(found, Ok(Place::Ews("https://m/EWS/Exchange.asmx".into())));
        let none =
            read_json(br#"{"ErrorCode":"UserNotFound","ErrorMessage":"alice"}"#).unwrap_err();
        assert_eq!(none.next, Next::Gone);
        assert_eq!(read_json(b"<html>"), Err(malformed()));
        let address = Address::parse("a+b/c?d@corp.example").unwrap();
        let path = "/autodiscover/autodiscover.json/v1.0/a%2Bb%2Fc%3Fd@corp.example?Protocol=EWS";
        assert_eq!(json_path(&address), path);
    }
}
