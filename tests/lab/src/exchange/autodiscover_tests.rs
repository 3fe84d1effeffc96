//! Autodiscover as a client meets it: SOAP for several users, POX and JSON.

use serde_json::Value;

use super::line::{BASIC, Line, exchange};
use super::*;

const SVC: &str = "/autodiscover/autodiscover.svc";
const POX: &str = "/Autodiscover/Autodiscover.xml";
const JSON: &str = "/autodiscover/autodiscover.json";

/// Ann is here, Bob has moved to the cloud, Cid to another forest.
async fn directory() -> (Exchange, Line) {
    let exchange = exchange(|_| ()).await;
    let calendars = exchange.calendars();
    for (address, to) in [
        ("bob@corp.example", "bob@cloud.example"),
        ("cid@corp.example", "https://autodiscover.other.example/autodiscover/autodiscover.xml"),
    ] {
        calendars.add_mailbox(address, "Moved", MailboxKind::User);
        calendars.move_mailbox(address, MovedTo::Cloud(to.to_owned()));
    }
    let line = Line::to(&exchange).await.unwrap();
    (exchange, line)
}

async fn get_user_settings(line: &mut Line, users: &[&str], settings: &[&str]) -> String {
    let tags = |name: &str, values: &[&str], wrap: &str| -> String {
        let one = |value: &&str| format!("<a:{wrap}><a:{name}>{value}</a:{name}></a:{wrap}>");
        values.iter().map(one).collect()
    };
    let users = tags("Mailbox", users, "User");
    let settings: String =
        settings.iter().map(|name| format!("<a:Setting>{name}</a:Setting>")).collect();
    let body = format!(
        "<s:Envelope xmlns:s='http://schemas.xmlsoap.org/soap/envelope/' \
         xmlns:a='http://schemas.microsoft.com/exchange/2010/Autodiscover'><s:Body>\
         <a:GetUserSettingsRequestMessage><a:Request><a:Users>{users}</a:Users>\
         <a:RequestedSettings>{settings}</a:RequestedSettings></a:Request>\
         </a:GetUserSettingsRequestMessage></s:Body></s:Envelope>"
    );
    let heard = line.ask("POST", SVC, &[("Authorization", BASIC)], &body).await.unwrap();
    assert_eq!(heard.status, 200);
    heard.body
}

/// The user responses of an answer, each as text.
fn responses(body: &str) -> Vec<&str> {
    body.split("<UserResponse>").skip(1).collect()
}

#[tokio::test]
async fn one_request_answers_for_several_users_each_in_its_own_way() {
    let (exchange, mut line) = directory().await;
    let users = ["ANN@corp.example", "bob@corp.example", "cid@corp.example", "nobody@corp.example"];
    let settings =
        ["ExternalEwsUrl", "GroupingInformation", "UserDisplayName", "InternalPop3Connections"];
    let body = get_user_settings(&mut line, &users, &settings).await;
    let found = responses(&body);
    assert_eq!(found.len(), 4);
    assert!(found[0].contains("<ErrorCode>NoError</ErrorCode>"));
    assert!(found[0].contains(&format!("<Value>{}</Value>", exchange.url())));
    assert!(found[0].contains("<Value>Lab-Site-01</Value>"));
    assert!(found[0].contains("<Value>Ann</Value>"));
    assert!(found[0].contains("<SettingName>InternalPop3Connections</SettingName>"));
    assert!(found[1].contains("RedirectAddress"));
    assert!(found[1].contains("<RedirectTarget>bob@cloud.example</RedirectTarget>"));
    assert!(found[2].contains("RedirectUrl"));
    assert!(found[2].contains("<RedirectTarget>https://autodiscover.other.example/"));
    assert!(found[3].contains("<ErrorCode>InvalidUser</ErrorCode>"));
    assert_eq!(exchange.log().count("GetUserSettings"), 1);
}

#[tokio::test]
async fn errors_come_on_each_of_the_levels() {
    let (exchange, mut line) = directory().await;
    let ann = ["ann@corp.example"];
    let ask = ["ExternalEwsUrl"];
    let too_many = vec!["ann@corp.example"; 101];
    let body = get_user_settings(&mut line, &too_many, &ask).await;
    assert!(body.contains("<ErrorCode>InvalidRequest</ErrorCode>"));
    assert!(responses(&body).is_empty());
    let busy = Fault::ServerBusy { back_off_ms: None, inner: false };
    exchange.faults().next(Match::operation("GetUserSettings"), busy.clone());
    let body = get_user_settings(&mut line, &ann, &ask).await;
    assert!(body.contains("<ErrorCode>ServerBusy</ErrorCode>") && responses(&body).is_empty());
    exchange.faults().next(Match::mailbox("ann@corp.example"), busy);
    let body = get_user_settings(&mut line, &["bob@corp.example", ann[0]], &ask).await;
    assert!(responses(&body)[0].contains("RedirectAddress"));
    assert!(responses(&body)[1].contains("<ErrorCode>ServerBusy</ErrorCode>"));
    let basic = [("Authorization", BASIC)];
    let heard = line.ask("POST", SVC, &basic, "<not xml").await.unwrap();
    assert_eq!(heard.status, 500);
    assert!(heard.body.contains("<s:Fault>"));
}

#[tokio::test]
async fn pox_puts_its_errors_into_a_200() {
    let (exchange, mut line) = directory().await;
    let stranger = line.ask("GET", POX, &[], "").await.unwrap();
    assert_eq!((stranger.status, stranger.header("x-soap-enabled")), (401, Some("True")));
    let mut ask = async |address: &str, schema: &str| {
        let body = format!(
            "<Autodiscover xmlns='http://schemas.microsoft.com/exchange/autodiscover/outlook/\
             requestschema/2006'><Request><EMailAddress>{address}</EMailAddress>\
             <AcceptableResponseSchema>http://schemas.microsoft.com/exchange/autodiscover/\
             outlook/responseschema/{schema}</AcceptableResponseSchema></Request></Autodiscover>"
        );
        let heard = line.ask("POST", POX, &[("Authorization", BASIC)], &body).await.unwrap();
        assert_eq!(heard.status, 200);
        heard.body
    };
    let body = ask("ann@corp.example", "2006a").await;
    assert!(body.contains("<Type>EXPR</Type>"));
    assert!(body.contains(&format!("<EwsUrl>{}</EwsUrl>", exchange.url())));
    let body = ask("bob@corp.example", "2006a").await;
    assert!(body.contains("<Action>redirectAddr</Action>"));
    assert!(body.contains("<RedirectAddr>bob@cloud.example</RedirectAddr>"));
    assert!(ask("cid@corp.example", "2006a").await.contains("<Action>redirectUrl</Action>"));
    assert!(ask("no@corp.example", "2006a").await.contains("<ErrorCode>500</ErrorCode>"));
    assert!(ask("ann@corp.example", "2099z").await.contains("<ErrorCode>601</ErrorCode>"));
    assert!(ask("", "2006a").await.contains("<ErrorCode>500</ErrorCode>"));
}

#[tokio::test]
async fn json_tells_nothing_but_the_url_and_asks_nobody_to_sign_in() {
    let (exchange, mut line) = directory().await;
    let mut ask = async |path: &str| {
        let heard = line.ask("GET", &format!("{JSON}{path}"), &[], "").await.unwrap();
        let place = heard.header("location").map(str::to_owned);
        (heard.status, serde_json::from_str::<Value>(&heard.body).unwrap_or_default(), place)
    };
    let (status, value, _) = ask("/v1.0/Ann%40corp.example?Protocol=EWS").await;
    assert_eq!((status, &value["Protocol"]), (200, &Value::from("EWS")));
    assert_eq!(value["Url"], Value::from(exchange.url()));
    let (status, value, _) = ask("?Email=ann@corp.example&Protocol=Ews").await;
    assert_eq!((status, &value["Url"]), (200, &Value::from(exchange.url())));
    let (status, _, place) = ask("/v1.0/bob@corp.example?Protocol=EWS").await;
    assert_eq!(status, 302);
    assert!(place.unwrap().starts_with("https://autodiscover.cloud.example/"));
    for (path, status, code) in [
        ("/v1.0/nobody@corp.example?Protocol=EWS", 404, "UserNotFound"),
        ("/v1.0/ann@corp.example?Protocol=Gopher", 400, "InvalidProtocol"),
        ("/v1.0/ann@corp.example", 400, "MandatoryParameterMissing"),
        ("/v1.0/ann?Protocol=EWS", 400, "InvalidUserId"),
    ] {
        let (met, value, _) = ask(path).await;
        assert_eq!((met, value["ErrorCode"].as_str()), (status, Some(code)), "{path}");
    }
}
