//! SOAP Autodiscover, GetUserSettings (MS-OXWSADISC): several users a request, errors of the
//! request, of a user and of a setting.

use std::fmt::Write as _;

use quick_xml::escape::escape;

use super::super::faults::{Fault, Place};
use super::super::http::{Asked, Front, Reply};
use super::{Found, find, legacy_dn, texts};

/// The operation's name in the log and to faults.
pub(crate) const OPERATION: &str = "GetUserSettings";
/// Exchange refuses more in one request.
const MAX_USERS: usize = 100;
const XML: &str = "text/xml; charset=utf-8";
const NAMESPACE: &str = "http://schemas.microsoft.com/exchange/2010/Autodiscover";

/// Answers one request.
pub(crate) fn answer(front: &Front, asked: &Asked) -> Reply {
    if asked.method != http::Method::POST {
        let page = "<html><body>You have created a service.</body></html>";
        return asked.reply("Page", 200, "text/html; charset=utf-8", page);
    }
    let names = ["Mailbox", "Setting", "RequestedServerVersion"];
    let Some(words) = texts(&asked.body, &names) else {
        return soap_fault(asked, "s:Client", "The request is not well-formed.");
    };
    match front.faults.take(Place::Service, OPERATION, None) {
        Some(Fault::SoapFault { message, .. }) => return soap_fault(asked, "s:Server", &message),
        Some(fault) => return failed(front, asked, code_of(&fault)),
        None => {}
    }
    let all = |name: &str| -> Vec<&str> {
        words.iter().filter(|(known, _)| known == name).map(|(_, text)| text.as_str()).collect()
    };
    let (users, settings) = (all("Mailbox"), all("Setting"));
    // It has no code of its own for a version that it does not know.
    if all("RequestedServerVersion").iter().any(|version| !takes(front, version)) {
        return failed(front, asked, "InvalidRequest");
    }
    if users.is_empty() || settings.is_empty() || users.len() > MAX_USERS {
        return failed(front, asked, "InvalidRequest");
    }
    let mut responses = String::new();
    for user in &users {
        responses.push_str(&user_response(front, user, &settings));
    }
    let mut reply = completed(front, asked, "NoError", &responses);
    reply.entry.mailbox = users.first().map(|user| (*user).to_owned());
    reply.entry.named = users.iter().map(|user| user.to_ascii_lowercase()).collect();
    reply
}

fn user_response(front: &Front, user: &str, settings: &[&str]) -> String {
    let fault = front.faults.take(Place::Service, OPERATION, Some(user));
    if let Some(fault) = fault {
        return user_error(code_of(&fault), None);
    }
    let (address, name, back_end, ews) = match find(front, user) {
        Found::Mailbox { address, name, back_end, ews } => (address, name, back_end, ews),
        Found::RedirectAddress(to) => return user_error("RedirectAddress", Some(&to)),
        Found::RedirectUrl(to) => return user_error("RedirectUrl", Some(&to)),
        Found::Nobody => return user_error("InvalidUser", None),
    };
    let (mut values, mut errors) = (String::new(), String::new());
    for setting in settings {
        match value(front, setting, (&address, &name), back_end, &ews) {
            Some(value) => {
                let _ = write!(
                    values,
                    "<UserSetting i:type=\"StringSetting\"><Name>{}</Name>\
                     <Value>{}</Value></UserSetting>",
                    escape(*setting),
                    escape(value)
                );
            }
            None => {
                let _ = write!(
                    errors,
                    "<UserSettingError><ErrorCode>SettingIsNotAvailable</ErrorCode>\
                     <ErrorMessage>The setting is not available.</ErrorMessage>\
                     <SettingName>{}</SettingName></UserSettingError>",
                    escape(*setting)
                );
            }
        }
    }
    format!(
        "<UserResponse><ErrorCode>NoError</ErrorCode><ErrorMessage>No error.</ErrorMessage>\
         <RedirectTarget i:nil=\"true\"/>\
         <UserSettingErrors>{errors}</UserSettingErrors>\
         <UserSettings>{values}</UserSettings></UserResponse>"
    )
}

fn value(
    front: &Front,
    setting: &str,
    (address, name): (&str, &str),
    back_end: usize,
    ews: &str,
) -> Option<String> {
    let host = front.router.host(back_end);
    Some(match setting {
        "UserDisplayName" => name.to_owned(),
        "UserDN" => legacy_dn(name),
        "UserDeploymentId" => "5d2c9d5c-2f49-4c63-9f5a-7c6ee3f3a001".to_owned(),
        "AutoDiscoverSMTPAddress" => address.to_owned(),
        "InternalEwsUrl" | "ExternalEwsUrl" => ews.to_owned(),
        "EwsSupportedSchemas" => SCHEMAS.to_owned(),
        "GroupingInformation" => front.group(back_end),
        "CasVersion" | "ExternalEwsVersion" => "15.02.1118.030".to_owned(),
        "InternalMailboxServer" | "InternalRpcClientServer" => host,
        "ActiveDirectoryServer" => front.router.host(0).replacen("ex01", "dc1", 1),
        "MailboxDN" => format!("/o=Lab/cn=Configuration/cn=Servers/cn={host}/cn=Private MDB"),
        "UserMSOnline" => "False".to_owned(),
        "MapiHttpEnabled" => "True".to_owned(),
        _ => return None,
    })
}

const SCHEMAS: &str = "Exchange2007, Exchange2007_SP1, Exchange2010, Exchange2010_SP1, \
     Exchange2010_SP2, Exchange2013, Exchange2013_SP1, Exchange2015";

fn user_error(code: &str, target: Option<&str>) -> String {
    let target = match target {
        Some(target) => format!("<RedirectTarget>{}</RedirectTarget>", escape(target)),
        None => "<RedirectTarget i:nil=\"true\"/>".to_owned(),
    };
    let code = escape(code);
    format!(
        "<UserResponse><ErrorCode>{code}</ErrorCode><ErrorMessage>{code}</ErrorMessage>{target}\
         <UserSettingErrors/><UserSettings/></UserResponse>"
    )
}

/// Autodiscover knows fewer codes than EWS.
fn code_of(fault: &Fault) -> &str {
    match fault {
        Fault::ServerBusy { .. } | Fault::ConnectionCount { .. } => "ServerBusy",
        Fault::ResponseCode(code) => code,
        _ => "InternalServerError",
    }
}

/// A request that failed as a whole.
fn failed(front: &Front, asked: &Asked, code: &str) -> Reply {
    let mut reply = completed(front, asked, code, "");
    reply.entry.code = code.to_owned();
    reply
}

fn completed(front: &Front, asked: &Asked, code: &str, responses: &str) -> Reply {
    let code = escape(code);
    let [major, minor, build, revision] = front.service.release().build();
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         xmlns:a=\"http://www.w3.org/2005/08/addressing\"><s:Header>\
         <a:Action s:mustUnderstand=\"1\">{NAMESPACE}/Autodiscover/GetUserSettingsResponse\
         </a:Action><h:ServerVersionInfo xmlns:h=\"{NAMESPACE}\">\
         <h:MajorVersion>{major}</h:MajorVersion><h:MinorVersion>{minor}</h:MinorVersion>\
         <h:MajorBuildNumber>{build}</h:MajorBuildNumber>\
         <h:MinorBuildNumber>{revision}</h:MinorBuildNumber><h:Version>Exchange2015</h:Version>\
         </h:ServerVersionInfo></s:Header><s:Body>\
         <GetUserSettingsResponseMessage xmlns=\"{NAMESPACE}\">\
         <Response xmlns:i=\"http://www.w3.org/2001/XMLSchema-instance\">\
         <ErrorCode>{code}</ErrorCode><ErrorMessage/>\
         <UserResponses>{responses}</UserResponses></Response>\
         </GetUserSettingsResponseMessage></s:Body></s:Envelope>"
    );
    let mut reply = asked.reply(OPERATION, 200, XML, body);
    reply.entry.code = "NoError".to_owned();
    reply
}

/// Whoever names none is answered as well.
fn takes(front: &Front, version: &str) -> bool {
    version.starts_with("Exchange") && front.service.release().takes(Some(version))
}

fn soap_fault(asked: &Asked, code: &str, message: &str) -> Reply {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\"><s:Body><s:Fault>\
         <faultcode>{code}</faultcode><faultstring xml:lang=\"en-US\">{}</faultstring>\
         </s:Fault></s:Body></s:Envelope>",
        escape(message)
    );
    let mut reply = asked.reply(OPERATION, 500, XML, body);
    reply.entry.code = "SoapFault".to_owned();
    reply
}
