//! The cloud and the key server.

use std::sync::Arc;
use std::time::Duration;

use http::{Method, Uri};

use super::book::{Book, Tell};
use super::case::{Prepared, in_short};
use super::finding::{Finding, Verdict, Words};
use super::way::{self, STEP, STEPS, Way, greet};
use crate::cloud::{self, Link};
use crate::config::KmsSettings;
use crate::config::secrets::{CLIENT_SECRET, CLOUD_PROXY};
use crate::kms::{self, Kms};
use crate::model::{Fault, Next};
use crate::net::dial::Dial;
use crate::net::proxy;
use crate::net::{Bearer, Trust};

type Hearing<'a> = (Tell<'a>, Option<&'a [&'static str]>);

const OF_THE_CLOUD: [&str; 2] = ["clock", "cloud-sign-in"];
const OF_KEYS: [&str; 2] = ["kms-chain", "kms"];

/// Looks at both, one after the other: the key server takes the cloud's token.
pub(super) async fn all(prepared: &Prepared<'_>, hearing: Hearing<'_>) -> Vec<Finding> {
    let Some(options) = &prepared.case.cloud else { return Vec::new() };
    let words = Words::default()
        .with("client", &options.client_id)
        .with("kept", prepared.kept())
        .with("secret", CLIENT_SECRET)
        .with("proxy_secret", CLOUD_PROXY);
    let book = Book::new("cloud", words.clone(), false, hearing);
    let bearer = cloud(prepared, options, &book).await;
    let mut found = book.close();
    if let Some(settings) = &prepared.case.kms {
        let book = Book::new("key server", words, false, hearing);
        keys(prepared, settings, &options.url, (bearer, &options.connector), &book).await;
        found.extend(book.close());
    }
    found
}

/// The way to the cloud, and in.
async fn cloud(
    prepared: &Prepared<'_>,
    options: &cloud::Options,
    book: &Book<'_>,
) -> Option<Bearer> {
    let way = way(prepared, book, &options.url, &options.trust, &OF_THE_CLOUD)?;
    let mut arrived = way.walk(book, &OF_THE_CLOUD).await?;
    let words = way.words.clone().with("url", &options.url);
    let subject = (way.origin.host(), &words);
    let greeted = match book.wants("clock") {
        true => greet(&mut arrived.connection, Method::GET, &options.url).await.ok(),
        false => None,
    };
    way.clock(book, greeted.as_ref());
    let secrets = &prepared.case.secrets;
    if let Err(missing) = secrets.get(CLIENT_SECRET) {
        book.skip(&["cloud-sign-in"], subject.0, &in_short(&missing.to_string()));
        return None;
    }
    let signing_in = async {
        let secrets = Arc::clone(secrets);
        let mut own = options.clone();
        (own.connect_timeout, own.answer_timeout) = (STEP, STEP);
        own.proxy = prepared.cloud_proxy.clone();
        let link = Link::new(own, Box::new(move || secrets.get(CLIENT_SECRET).ok()));
        let bearer = link.map(|link| link.bearer());
        let signed_in = match &bearer {
            Ok(bearer) => bearer(None).await.map(|_| ()),
            Err(fault) => Err(fault.clone()),
        };
        match signed_in {
            Ok(()) => {
                let client = &options.client_id;
                (Verdict::Pass(format!("as the client {client}")), bearer.ok())
            }
            Err(fault) => (said_by_the_cloud(&fault), None),
        }
    };
    book.look("cloud-sign-in", subject, signing_in).await
}

/// The way to the key server, and what it shows.
async fn keys(
    prepared: &Prepared<'_>,
    settings: &KmsSettings,
    cloud: &Uri,
    (bearer, connector): (Option<Bearer>, &str),
    book: &Book<'_>,
) {
    let Some(way) = way(prepared, book, &settings.url, &settings.trust, &OF_KEYS) else { return };
    let host = way.origin.host();
    let same = crate::net::Origin::of(cloud).is_ok_and(|cloud| cloud == way.origin);
    if same && settings_share_trust(prepared, settings) {
        book.skip(&["tls"], host, "the same server as the cloud above");
    } else {
        let Some(mut arrived) = way.walk(book, &["clock", "kms-chain", "kms"]).await else {
            return;
        };
        let greeted = match book.wants("clock") {
            true => greet(&mut arrived.connection, Method::GET, &settings.url).await.ok(),
            false => None,
        };
        way.clock(book, greeted.as_ref());
    }
    let Some(bearer) = bearer else {
        book.skip(&OF_KEYS, host, "cloud-sign-in failed above");
        return;
    };
    let subject = (host, &way.words);
    let client = match client(prepared, settings, bearer, connector) {
        Ok(client) => client,
        Err(fault) => {
            book.note("kms-chain", subject, Verdict::from("other-anchor", &fault));
            book.skip(&["kms"], host, "kms-chain failed above");
            return;
        }
    };
    let looking = async {
        match client.inspect().await {
            Ok(server) => (chain(&server.host, server.until), Some(())),
            Err(fault) => (said_of_the_chain(&fault), None),
        }
    };
    if book.look("kms-chain", subject, looking).await.is_none() {
        book.skip(&["kms"], host, "kms-chain failed above");
        return;
    }
    let looking = async {
        match client.ping().await {
            Ok(()) => (Verdict::Pass("it answers, sealed".into()), Some(())),
            Err(fault) => {
                let denied = matches!(fault.next, Next::Denied | Next::SignIn | Next::Refused);
                let trouble = if denied { "unknown" } else { "failed" };
                (Verdict::because(trouble, kms_words(&fault)), None)
            }
        }
    };
    book.look("kms", subject, looking).await;
}

fn way(
    prepared: &Prepared<'_>,
    book: &Book<'_>,
    url: &Uri,
    trust: &Trust,
    then: &[&'static str],
) -> Option<Way> {
    let proxy = prepared.cloud_proxy.clone();
    let signs_in = proxy.as_ref().is_some_and(|proxy| proxy.account.is_some());
    match Way::new(url, trust, proxy, Dial::default()) {
        Ok(mut way) => {
            way.no_proxy = prepared.no_secrets().map(str::to_owned).filter(|_| signs_in);
            if let Some(kms) = &prepared.case.kms {
                let file = kms.anchors_file.display();
                way.words = way.words.with("anchors", file);
            }
            Some(way)
        }
        Err(_) => {
            let why = "the configuration is wrong above";
            book.skip(&STEPS, "", why);
            book.skip(then, "", why);
            None
        }
    }
}

fn settings_share_trust(prepared: &Prepared<'_>, settings: &KmsSettings) -> bool {
    prepared.case.cloud.as_ref().is_some_and(|cloud| cloud.trust == settings.trust)
}

fn client(
    prepared: &Prepared<'_>,
    settings: &KmsSettings,
    bearer: Bearer,
    connector: &str,
) -> Result<Kms, Fault> {
    let anchors = Trust::only(settings.anchors.clone());
    let clock = Arc::new(way::now);
    let mut options = kms::Options::new(settings.url.clone(), connector, anchors, clock);
    options.trust = settings.trust.clone();
    options.proxy = prepared.cloud_proxy.clone();
    options.connect_timeout = STEP;
    options.patience.total = Duration::from_secs(12);
    Kms::new(options, bearer)
}

fn said_by_the_cloud(fault: &Fault) -> Verdict {
    let why = &fault.cause.code;
    let short = why.trim_start_matches("sign-in: ").to_owned();
    let is_relay = !["404", "405", "not well-formed"].iter().any(|one| why.contains(one));
    let trouble = match fault.next {
        Next::SignIn if proxy::is_refusal(fault) => "failed",
        Next::SignIn => "refused",
        Next::BackOff { .. } => "busy",
        _ if !is_relay => "not-the-cloud",
        _ => "failed",
    };
    Verdict::because(trouble, short)
}

fn chain(host: &str, until: crate::model::Time) -> Verdict {
    let days = way::days_left(until);
    if way::ends_soon(until) {
        let words = Words::default().with("days", days).with("until", way::day(until));
        return Verdict::Trouble("ends-soon", words.with("host", host));
    }
    Verdict::Pass(format!("of {host}, leads to the anchor, {days} days left"))
}

fn said_of_the_chain(fault: &Fault) -> Verdict {
    let why = kms_words(fault);
    let trouble = match why.as_str() {
        _ if why.contains("configured anchor") => "other-anchor",
        _ if why.contains("expired") || why.contains("not valid yet") => "expired",
        _ if why.starts_with("the static key") => "wrong",
        _ => "failed",
    };
    Verdict::because(trouble, why)
}

fn kms_words(fault: &Fault) -> String {
    fault.cause.code.trim_start_matches("KMS: ").to_owned()
}
