//! GetUserSettings: SOAP Autodiscover, the only form that takes many users at once and knows which
//! mailboxes may share a stream ([MS-OXWSADISC] 3.1.4.1).

use super::autodiscover::enter;
use super::codes;
use super::soap::ServerVersion;
use super::xml::{Pull, decode, malformed, push_escaped};
use crate::model::{Address, Fault, Next, Plain};

/// Users of one request; Exchange refuses more.
pub const MOST_USERS: usize = 100;

const WANTED: [&str; 3] = ["InternalEwsUrl", "ExternalEwsUrl", "GroupingInformation"];

/// What is known of one mailbox.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Settings {
    /// Mailboxes with the same text, and the same outside address below, may share a stream.
    pub grouping: Option<String>,
    /// Where its EWS is, seen from the own network.
    pub internal_ews_url: Option<String>,
    /// Where its EWS is, seen from outside.
    pub external_ews_url: Option<String>,
}

impl Settings {
    /// Where its EWS is for somebody beside Exchange: the address for the own network comes first.
    pub fn ews_url(&self) -> Option<&str> {
        self.internal_ews_url.as_deref().or(self.external_ews_url.as_deref())
    }
}

/// What is said about one user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Told {
    /// Here it is.
    Settings(Settings),
    /// Ask again for this address.
    Address(Plain),
    /// Ask the Autodiscover there.
    Url(String),
}

/// Asks for these users, [`MOST_USERS`] at most, at `url` (`https://host/autodiscover/*.svc`).
pub fn request<'a>(
    version: ServerVersion,
    url: &str,
    users: impl IntoIterator<Item = &'a Address>,
) -> String {
    let mut out = String::from(concat!(
        r#"<?xml version="1.0" encoding="utf-8"?>"#,
        r#"<s:Envelope xmlns:s="http://schemas.xmlsoap.org/soap/envelope/""#,
        r#" xmlns:a="http://schemas.microsoft.com/exchange/2010/Autodiscover""#,
        r#" xmlns:w="http://www.w3.org/2005/08/addressing"><s:Header>"#,
        r#"<a:RequestedServerVersion>"#,
    ));
    out.push_str(version.text());
    out.push_str(concat!(
        r#"</a:RequestedServerVersion><w:Action>"#,
        r#"http://schemas.microsoft.com/exchange/2010/Autodiscover"#,
        r#"/Autodiscover/GetUserSettings</w:Action><w:To>"#,
    ));
    push_escaped(&mut out, url);
    out.push_str(concat!(
        "</w:To></s:Header><s:Body><a:GetUserSettingsRequestMessage><a:Request>",
        "<a:Users>",
    ));
    for user in users {
        out.push_str("<a:User><a:Mailbox>");
        push_escaped(&mut out, user.reveal());
        out.push_str("</a:Mailbox></a:User>");
    }
    out.push_str("</a:Users><a:RequestedSettings>");
    for setting in WANTED {
        out.push_str("<a:Setting>");
        out.push_str(setting);
        out.push_str("</a:Setting>");
    }
    out.push_str(concat!(
        "</a:RequestedSettings></a:Request></a:GetUserSettingsRequestMessage>",
        "</s:Body></s:Envelope>",
    ));
    out
}

/// One answer for each user, in the order asked. Errors stand on three levels: the answer's, which
/// fails the whole; the user's; the setting's: a setting that failed alone is absent.
///
/// # Errors
/// What Autodiscover says against the request, or a malformed answer.
pub fn read(xml: &[u8]) -> Result<Vec<Result<Told, Fault>>, Fault> {
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

fn read_response(pull: &mut Pull<'_>) -> Result<Vec<Result<Told, Fault>>, Fault> {
    let mut users = Vec::new();
    while let Some(element) = pull.child()? {
        match element.name() {
            "ErrorCode" => check(&pull.text()?)?,
            "UserResponses" => {
                while pull.child()?.is_some() {
                    users.push(read_user(pull)?);
                }
            }
            _ => pull.skip()?,
        }
    }
    if users.is_empty() { Err(malformed()) } else { Ok(users) }
}

/// The first error is malformed XML, the second what is said about the user.
fn read_user(pull: &mut Pull<'_>) -> Result<Result<Told, Fault>, Fault> {
    let mut settings = Settings::default();
    let (mut code, mut target) = (String::new(), String::new());
    while let Some(element) = pull.child()? {
        match element.name() {
            "ErrorCode" => code = pull.text()?,
            "RedirectTarget" => target = pull.text()?,
            "UserSettings" => {
                while pull.child()?.is_some() {
                    read_setting(pull, &mut settings)?;
                }
            }
            _ => pull.skip()?,
        }
    }
    let target = target.trim();
    Ok(match code.trim() {
        "RedirectAddress" if !target.is_empty() => Ok(Told::Address(Plain::new(target))),
        "RedirectUrl" if !target.is_empty() => Ok(Told::Url(target.to_owned())),
        code => check(code).map(|()| Told::Settings(settings)),
    })
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
        "InternalEwsUrl" => &mut settings.internal_ews_url,
        "ExternalEwsUrl" => &mut settings.external_ews_url,
        _ => return Ok(()),
    };
    *place = Some(value.trim().to_owned()).filter(|value| !value.is_empty());
    Ok(())
}

/// Whether the whole request was refused, as it is where the server does not know the version that
/// it was asked in: Autodiscover has no code for that alone.
pub(super) fn is_perhaps_the_version(fault: &Fault) -> bool {
    let code = fault.cause.code.as_str();
    code == INVALID_REQUEST || code == codes::INVALID_SERVER_VERSION
}

const INVALID_REQUEST: &str = "InvalidRequest";

/// [MS-OXWSADISC] 2.2.5.1 ErrorCode.
fn check(code: &str) -> Result<(), Fault> {
    let code = code.trim();
    let next = match code {
        "NoError" | "" => return Ok(()),
        "ServerBusy" => Next::BackOff { after: None },
        "InvalidUser" | "RedirectAddress" | "RedirectUrl" => Next::Gone,
        "NotFederated" | INVALID_REQUEST | "InvalidSetting" | "InvalidDomain" => Next::Refused,
        _ => Next::Retry { after: None },
    };
    let plain = code.chars().all(|c| c.is_ascii_alphanumeric());
    Err(Fault::new(next, if plain { code } else { "unreadable Autodiscover code" }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn soap(code: &str, users: &[&str]) -> String {
        let users: String =
            users.iter().map(|user| format!("<UserResponse>{user}</UserResponse>")).collect();
        format!(
            "<s:Envelope xmlns:s='s'><s:Header/><s:Body><GetUserSettingsResponseMessage><Response>\
             <ErrorCode>{code}</ErrorCode><ErrorMessage/><UserResponses>{users}</UserResponses>\
             </Response></GetUserSettingsResponseMessage></s:Body></s:Envelope>"
        )
    }

    const WHOLE: &str = "<ErrorCode>NoError</ErrorCode><RedirectTarget i:nil='true'/>\
        <UserSettingErrors/><UserSettings><UserSetting><Name>ExternalEwsUrl</Name>\
        <Value>https://out/EWS</Value></UserSetting><UserSetting><Name>InternalEwsUrl</Name>\
        <Value>https://in/EWS</Value></UserSetting><UserSetting><Name>GroupingInformation</Name>\
        <Value>SN1PRD06</Value></UserSetting><UserSetting><Name>Other</Name><Value>x</Value>\
        </UserSetting></UserSettings>";

    fn redirect(code: &str, target: &str) -> String {
        format!(
            "<ErrorCode>{code}</ErrorCode><RedirectTarget>{target}</RedirectTarget><UserSettings/>"
        )
    }

    #[test]
    fn each_user_has_an_answer_of_its_own_in_the_order_asked() {
        let none = "<ErrorCode>NoError</ErrorCode><UserSettingErrors><UserSettingError><ErrorCode>\
            SettingIsNotAvailable</ErrorCode></UserSettingError></UserSettingErrors>\
            <UserSettings/>";
        let gone = "<ErrorCode>InvalidUser</ErrorCode><UserSettings/>";
        let busy = "<ErrorCode>ServerBusy</ErrorCode><UserSettings/>";
        let to_address = redirect("RedirectAddress", "a@b.example");
        let to_url = redirect("RedirectUrl", "https://c/autodiscover/autodiscover.svc");
        let nowhere = redirect("RedirectUrl", " ");
        let users = [WHOLE, none, gone, busy, &to_address, &to_url, &nowhere];
        let found = read(soap("NoError", &users).as_bytes()).unwrap();
        let settings = Settings {
            grouping: Some("SN1PRD06".into()),
            internal_ews_url: Some("https://in/EWS".into()),
            external_ews_url: Some("https://out/EWS".into()),
        };
        assert_eq!(settings.ews_url(), Some("https://in/EWS"));
        assert_eq!(found[0], Ok(Told::Settings(settings)));
        assert_eq!(found[1], Ok(Told::Settings(Settings::default())));
        assert_eq!(found[2], Err(Fault::new(Next::Gone, "InvalidUser")));
        assert_eq!(found[3], Err(Fault::new(Next::BackOff { after: None }, "ServerBusy")));
        assert_eq!(found[4], Ok(Told::Address(Plain::new("a@b.example"))));
        assert_eq!(found[5], Ok(Told::Url("https://c/autodiscover/autodiscover.svc".into())));
        assert_eq!(found[6], Err(Fault::new(Next::Gone, "RedirectUrl")));
    }

    #[test]
    fn an_answer_that_fails_as_a_whole_fails_for_everybody() {
        let fault = read(soap("ServerBusy", &[WHOLE]).as_bytes()).unwrap_err();
        assert_eq!(fault.next, Next::BackOff { after: None });
        for bad in [
            "",
            "<html/>",
            "<Envelope><Body/></Envelope>",
            "<Envelope><Body><X/></Body></Envelope>",
            "<Envelope><Body><X><Response/></X></Body></Envelope>",
        ] {
            assert!(read(bad.as_bytes()).is_err(), "{bad}");
        }
    }

    #[test]
    fn many_users_are_asked_at_once() {
        let users: Vec<_> =
            ["a&b@x.example", "c@x.example"].map(|text| Address::parse(text).unwrap()).into();
        let xml = request(ServerVersion::Exchange2013Sp1, "https://h/a.svc", &users);
        assert!(xml.contains("<a:RequestedServerVersion>Exchange2013_SP1</"), "{xml}");
        assert!(xml.contains("<a:Mailbox>a&amp;b@x.example</a:Mailbox>"), "{xml}");
        assert!(xml.contains("<a:User><a:Mailbox>c@x.example</a:Mailbox></a:User></a:Users>"));
    }
}
