//! POX Autodiscover (MS-OXDSCLI): plain XML, whose errors come inside a 200.

use quick_xml::escape::escape;

use super::super::faults::Place;
use super::super::http::{Asked, Front, Reply};
use super::{Found, find, legacy_dn, texts};

/// The name in the log and to faults.
pub(crate) const OPERATION: &str = "AutodiscoverPox";
const RESPONSE: &str = "http://schemas.microsoft.com/exchange/autodiscover/responseschema/2006";
const OUTLOOK: &str =
    "http://schemas.microsoft.com/exchange/autodiscover/outlook/responseschema/2006a";
const XML: &str = "text/xml; charset=utf-8";

/// The address that a request asks about.
pub(crate) fn address(body: &[u8]) -> Option<String> {
    texts(body, &["EMailAddress"])?.into_iter().next().map(|(_, address)| address)
}

/// Answers one request.
pub(crate) fn answer(front: &Front, asked: &Asked) -> Reply {
    let words = texts(&asked.body, &["EMailAddress", "AcceptableResponseSchema"]);
    let first = |name: &str| {
        words.as_ref()?.iter().find(|(known, _)| known == name).map(|(_, text)| text.as_str())
    };
    // A GET, or anything that is not a request.
    let Some(user) = first("EMailAddress") else {
        return error(asked, 600, "Invalid Request");
    };
    let schema = first("AcceptableResponseSchema").unwrap_or_default();
    let tail = OUTLOOK.trim_start_matches("http");
    if schema.trim_start_matches("https").trim_start_matches("http") != tail {
        return error(asked, 601, "Provider is not available");
    }
    if front.faults.take(Place::Service, OPERATION, Some(user)).is_some() {
        return error(asked, 603, "The Active Directory is not available.");
    }
    match find(front, user) {
        Found::Mailbox { address, name, back_end, ews } => {
            settings(front, asked, (&address, &name), back_end, &ews)
        }
        Found::RedirectAddress(to) => redirect(asked, "redirectAddr", "RedirectAddr", &to),
        Found::RedirectUrl(to) => redirect(asked, "redirectUrl", "RedirectUrl", &to),
        Found::Nobody => error(asked, 500, "The email address can't be found."),
    }
}

fn settings(
    front: &Front,
    asked: &Asked,
    (address, name): (&str, &str),
    back_end: usize,
    url: &str,
) -> Reply {
    let host = front.router.host(back_end);
    let protocol = |kind: &str| {
        format!(
            "<Protocol><Type>{kind}</Type><Server>{host}</Server>\
             <ServerVersion>73D2845E</ServerVersion><ASUrl>{url}</ASUrl><EwsUrl>{url}</EwsUrl>\
             <EmwsUrl>{url}</EmwsUrl><OOFUrl>{url}</OOFUrl><SharingUrl>{url}</SharingUrl>\
             </Protocol>"
        )
    };
    let account = format!(
        "<User><DisplayName>{}</DisplayName><LegacyDN>{}</LegacyDN>\
         <AutoDiscoverSMTPAddress>{}</AutoDiscoverSMTPAddress>\
         <DeploymentId>5d2c9d5c-2f49-4c63-9f5a-7c6ee3f3a001</DeploymentId></User>\
         <Account><AccountType>email</AccountType><Action>settings</Action>\
         <MicrosoftOnline>False</MicrosoftOnline>{}{}</Account>",
        escape(name),
        escape(legacy_dn(name)),
        escape(address),
        protocol("EXCH"),
        protocol("EXPR"),
    );
    complete(asked, &format!("<Response xmlns=\"{OUTLOOK}\">{account}</Response>"), "NoError")
}

fn redirect(asked: &Asked, action: &str, element: &str, to: &str) -> Reply {
    let response = format!(
        "<Response xmlns=\"{OUTLOOK}\"><Account><Action>{action}</Action>\
         <{element}>{}</{element}></Account></Response>",
        escape(to)
    );
    complete(asked, &response, action)
}

fn error(asked: &Asked, code: u16, message: &str) -> Reply {
    let response = format!(
        "<Response><Error Time=\"12:00:00.0000000\" Id=\"2477272013\">\
         <ErrorCode>{code}</ErrorCode><Message>{message}</Message><DebugData/></Error></Response>"
    );
    complete(asked, &response, &format!("POX {code}"))
}

fn complete(asked: &Asked, response: &str, code: &str) -> Reply {
    let body = format!(
        "<?xml version=\"1.0\" encoding=\"utf-8\"?>\
         <Autodiscover xmlns=\"{RESPONSE}\">{response}</Autodiscover>"
    );
    let mut reply = asked.reply(OPERATION, 200, XML, body);
    reply.entry.mailbox = address(&asked.body);
    reply.entry.code = code.to_owned();
    reply
}
