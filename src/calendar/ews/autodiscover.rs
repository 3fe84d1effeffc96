//! Autodiscover: which mailboxes may share a stream, and where a mailbox's server is. Requests and
//! answers only: SOAP ([MS-OXWSADISC]), POX ([MS-OXDSCLI]) and the JSON of version 2.

use std::fmt::Write as _;

use serde::Deserialize;

use super::xml::{Pull, decode, malformed, push_escaped};
use crate::model::{Address, Fault, Next, Plain};

/// What SOAP Autodiscover says about one mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Mailboxes with the same text, and the same address below, may share a stream.
    pub grouping: Option<String>,
    /// Where its EWS is, seen from outside.
    pub external_ews_url: Option<String>,
}

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

/// Asks SOAP Autodiscover at `url` for one mailbox (`GetUserSettings`, [MS-OXWSADISC] 3.1.4.1).
pub fn settings_request(url: &str, address: &Address) -> String {
    let mut out = String::from(concat!(
        r#"<?xml version="1.0" encoding="utf-8"?>"#,
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/""#,
        r#" xmlns:a="http://schemas.microsoft.com/exchange/2010/Autodiscover""#,
        r#" xmlns:w="http://www.w3.org/2005/08/addressing"><s:Header>"#,
        r#"<a:RequestedServerVersion>Exchange2013_SP1</a:RequestedServerVersion>"#,
        r#"<w:Action>http://schemas.microsoft.com/exchange/2010/Autodiscover"#,
        r#"/Autodiscover/GetUserSettings</w:Action><w:To>"#,
    ));
    push_escaped(&mut out, url);
    out.push_str(concat!(
        "</w:To></s:Header><s:Body><a:GetUserSettingsRequestMessage><a:Request>",
        "<a:Users><a:User><a:Mailbox>",
    ));
    push_escaped(&mut out, address.reveal());
    out.push_str("</a:Mailbox></a:User></a:Users><a:RequestedSettings>");
    for setting in ["GroupingInformation", "ExternalEwsUrl"] {
        let _ = write!(out, "<a:Setting>{setting}</a:Setting>");
    }
    out.push_str(concat!(
        "</a:RequestedSettings></a:Request></a:GetUserSettingsRequestMessage>",
        "</s:Body></s:Envelope>",
    ));
    out
}

/// Reads the answer for one mailbox. Errors stand on three levels: the answer's, the user's, the
/// setting's; a setting that failed alone is absent.
///
/// # Errors
/// What Autodiscover says against it, or a malformed answer.
pub fn read_settings(xml: &[u8]) -> Result<Settings, Fault> {
    let text = decode(xml);
    let mut pull = Pull::new(&text);
    enter(&mut pull, "Envelope")?;
    enter(&mut pull, "Body")?;
    match pull.child()? {
        Some(element) if element.name() == "Fault" => Err(Fault::retry("Autodiscover fault")),
        Some(_) => {
            enter(&mut pull, "Response")?;
            read_response(&mut pull)
        }
        None => Err(malformed()),
    }
}

fn read_response(pull: &mut Pull<'_>) -> Result<Settings, Fault> {
    let mut answer = None;
    while let Some(element) = pull.child()? {
        match element.name() {
            "ErrorCode" => check(&pull.text()?)?,
            "UserResponses" => {
                while pull.child()?.is_some() {
                    answer = Some(read_user(pull)?);
                }
            }
            _ => pull.skip()?,
        }
    }
    answer.ok_or_else(malformed)?
}

/// The first error is malformed XML, the second what is said about the user.
fn read_user(pull: &mut Pull<'_>) -> Result<Result<Settings, Fault>, Fault> {
    let mut settings = Settings::default();
    let mut verdict = Ok(());
    while let Some(element) = pull.child()? {
        match element.name() {
            "ErrorCode" => verdict = check(&pull.text()?),
            "UserSettings" => {
                while pull.child()?.is_some() {
                    read_setting(pull, &mut settings)?;
                }
            }
            _ => pull.skip()?,
        }
    }
    Ok(verdict.map(|()| settings))
}

fn read_setting(pull: &mut Pull<'_>, settings: &mut Settings) -> Result<(), Fault> {
    let (mut name, mut value) = (String::new(), String::new());
    while let Some(element) = pull.child()? {
        match element.name() {
            "Name" => name = pull.text()?,
            "Value" => value = pull.text()?,
            _ => pull.skip()?,
        }
    }
    let place = match name.trim() {
        "GroupingInformation" => &mut settings.grouping,
        "ExternalEwsUrl" => &mut settings.external_ews_url,
        _ => return Ok(()),
    };
    *place = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
    Ok(())
}

/// [MS-OXWSADISC] 2.2.5.1 ErrorCode.
fn check(code: &str) -> Result<(), Fault> {
    let code = code.trim();
    let next = match code {
        "NoError" | "" => return Ok(()),
        "ServerBusy" => Next::BackOff { after: None },
        "InvalidUser" | "RedirectAddress" | "RedirectUrl" => Next::Gone,
        "NotFederated" | "InvalidRequest" | "InvalidSetting" | "InvalidDomain" => Next::Refused,
        _ => Next::Retry { after: None },
    };
    let plain = code.chars().all(|c| c.is_ascii_alphanumeric());
    Err(Fault::new(next, if plain { code } else { "unreadable Autodiscover code" }))
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
            "Error" => {
                pull.skip()?;
                return Err(Fault::new(Next::Gone, "Autodiscover does not know the address"));
            }
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
fn enter(pull: &mut Pull<'_>, name: &str) -> Result<(), Fault> {
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
    if answer.error_code.is_some() {
        return Err(Fault::new(Next::Gone, "Autodiscover does not know the address"));
    }
    answer.url.filter(|url| !url.is_empty()).map(Place::Ews).ok_or_else(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soap(code: &str, user: &str) -> String {
        format!(
            "<s:Envelope xmlns:s='s'><s:Header/><s:Body><GetUserSettingsResponseMessage><Response>\
             <ErrorCode>{code}</ErrorCode><ErrorMessage/><UserResponses><UserResponse>{user}\
             </UserResponse></UserResponses></Response></GetUserSettingsResponseMessage></s:Body>\
             </s:Envelope>"
        )
    }

    #[test]
    fn settings_are_read_on_three_levels() {
        let user = "<ErrorCode>NoError</ErrorCode><RedirectTarget i:nil='true'/>\
            <UserSettingErrors/><UserSettings><UserSetting><Name>ExternalEwsUrl</Name>\
            <Value>https://m/EWS</Value>\
            </UserSetting><UserSetting><Name>GroupingInformation</Name><Value>SN1PRD06</Value>\
            </UserSetting><UserSetting><Name>Other</Name><Value>x</Value></UserSetting>\
            </UserSettings>";
        let expected = Settings {
            grouping: Some("SN1PRD06".into()),
            external_ews_url: Some("https://m/EWS".into()),
        };
        assert_eq!(read_settings(soap("NoError", user).as_bytes()), Ok(expected));
        let none = "<ErrorCode>NoError</ErrorCode><UserSettingErrors><UserSettingError><ErrorCode>\
            SettingIsNotAvailable</ErrorCode></UserSettingError></UserSettingErrors>\
            <UserSettings/>";
        assert_eq!(read_settings(soap("NoError", none).as_bytes()), Ok(Settings::default()));
        let gone = "<ErrorCode>InvalidUser</ErrorCode><UserSettings/>";
        let fault = read_settings(soap("NoError", gone).as_bytes()).unwrap_err();
        assert_eq!((fault.next, fault.cause.code.as_str()), (Next::Gone, "InvalidUser"));
        let fault = read_settings(soap("ServerBusy", "").as_bytes()).unwrap_err();
        assert_eq!(fault.next, Next::BackOff { after: None });
        for bad in [
            "",
            "<html/>",
            "<Envelope><Body/></Envelope>",
            "<Envelope><Body><X/></Body></Envelope>",
        ] {
            assert!(read_settings(bad.as_bytes()).is_err(), "{bad}");
        }
    }

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
