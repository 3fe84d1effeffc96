//! Streams as a client meets them: affinity, heartbeats, the limit, and how envelopes are chunked.

use std::time::Duration;

use super::affinity::{ANCHOR, PREFER};
use super::line::{BASIC, Line, envelope, exchange};
use super::*;

const SUBSCRIBE: &str = "<m:Subscribe><m:StreamingSubscriptionRequest><t:FolderIds>\
    <t:DistinguishedFolderId Id='calendar'/></t:FolderIds><t:EventTypes>\
    <t:EventType>CreatedEvent</t:EventType><t:EventType>ModifiedEvent</t:EventType>\
    </t:EventTypes></m:StreamingSubscriptionRequest></m:Subscribe>";
const AFFINE: [(&str, &str); 2] = [(PREFER, "true"), (ANCHOR, "ann@corp.example")];

/// A subscription of Ann's and the cookie that leads to it.
async fn subscribe(line: &mut Line) -> (String, String) {
    let heard = line.ews(&AFFINE, SUBSCRIBE).await.unwrap();
    let id = between(&heard.body, "SubscriptionId>", "<").to_owned();
    let cookie = heard.header("set-cookie").unwrap().split(';').next().unwrap().to_owned();
    (id, cookie)
}

fn between<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let rest = text.split_once(from).unwrap_or_else(|| panic!("{from} in {text}")).1;
    rest.split_once(to).unwrap().0
}

fn get_streaming_events(id: &str) -> String {
    format!(
        "<m:GetStreamingEvents><m:SubscriptionIds><t:SubscriptionId>{id}</t:SubscriptionId>\
         </m:SubscriptionIds><m:ConnectionTimeout>1</m:ConnectionTimeout></m:GetStreamingEvents>"
    )
}

/// A stream on a connection of its own, its first envelope read where `first` says so.
async fn open(exchange: &Exchange, id: &str, cookie: &str) -> Line {
    let mut line = Line::to(exchange).await.unwrap();
    let headers = [AFFINE[0], AFFINE[1], ("Authorization", BASIC), ("Cookie", cookie)];
    let body = envelope("ann@corp.example", &get_streaming_events(id));
    line.send("POST", "/EWS/Exchange.asmx", &headers, &body).await;
    let head = line.head().await.unwrap();
    assert_eq!((head.status, head.header("transfer-encoding")), (200, Some("chunked")));
    line
}

#[tokio::test]
async fn a_client_without_the_cookie_meets_error_subscription_not_found() {
    let exchange = exchange(|_| ()).await;
    let mut line = Line::to(&exchange).await.unwrap();
    let (id, cookie) = subscribe(&mut line).await;
    let heard = line.ews(&AFFINE, &get_streaming_events(&id)).await.unwrap();
    assert!(heard.body.contains("ErrorSubscriptionNotFound"), "{}", heard.body);
    let heard = line.ews(&[("Cookie", &cookie)], &get_streaming_events(&id)).await.unwrap();
    assert!(heard.body.contains("ErrorSubscriptionNotFound"), "the cookie needs the preference");
    let mut stream = open(&exchange, &id, &cookie).await;
    let first = stream.chunk().await.unwrap().unwrap();
    assert!(first.contains("<m:ConnectionStatus>OK</m:ConnectionStatus>"), "{first}");
}

#[tokio::test]
async fn a_stream_is_counted_while_it_is_open_and_beats_while_it_is_silent() {
    let exchange = exchange(|options| options.heartbeat = Duration::from_millis(5)).await;
    let mut line = Line::to(&exchange).await.unwrap();
    let (id, cookie) = subscribe(&mut line).await;
    let mut stream = open(&exchange, &id, &cookie).await;
    assert_eq!(exchange.open_streams(), 1);
    for _ in 0..3 {
        let beat = stream.chunk().await.unwrap().unwrap();
        assert!(beat.starts_with("<?xml") && beat.trim_end().ends_with("</Envelope>"), "{beat}");
    }
    drop(stream);
    while exchange.open_streams() > 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(exchange.log().count("GetStreamingEvents"), 1);
}

#[tokio::test]
async fn an_edit_is_heard_whole_in_pieces_and_joined() {
    let exchange = exchange(|_| ()).await;
    let mut line = Line::to(&exchange).await.unwrap();
    let (id, cookie) = subscribe(&mut line).await;
    let whom = Match::operation("GetStreamingEvents");
    for fault in [None, Some(Fault::SplitEnvelopes { at: 11 }), Some(Fault::JoinEnvelopes)] {
        if let Some(fault) = fault.clone() {
            exchange.faults().next(whom, fault);
        }
        let mut stream = open(&exchange, &id, &cookie).await;
        let made = exchange
            .calendars()
            .create("ann@corp.example", Draft::meeting("Heard", 1_800_000_000_000, 30));
        let (mut text, mut chunks) = (String::new(), Vec::new());
        while !text.contains(&format!("Id=\"{made}\"")) {
            let chunk = stream.chunk().await.unwrap().unwrap();
            chunks.push(chunk.len());
            text.push_str(&chunk);
        }
        match fault {
            None => assert_eq!(chunks.len(), 2, "{chunks:?}"),
            Some(Fault::JoinEnvelopes) => assert_eq!(chunks.len(), 1, "{chunks:?}"),
            Some(_) => assert!(chunks.iter().all(|length| *length <= 11), "{chunks:?}"),
        }
    }
}

#[tokio::test]
async fn a_stream_is_cut_in_the_middle_of_an_envelope() {
    let exchange = exchange(|_| ()).await;
    let mut line = Line::to(&exchange).await.unwrap();
    let (id, cookie) = subscribe(&mut line).await;
    let whom = Match::operation("GetStreamingEvents");
    exchange.faults().next(whom, Fault::Cut { after_bytes: 40 });
    let mut stream = open(&exchange, &id, &cookie).await;
    assert_eq!(stream.chunk().await.unwrap().unwrap().len(), 40);
    assert!(stream.chunk().await.is_err());
    let mut stream = open(&exchange, &id, &cookie).await;
    assert!(stream.chunk().await.unwrap().unwrap().contains("OK"));
    exchange.drop_connections();
    assert!(stream.chunk().await.is_err());
}

#[tokio::test]
async fn streams_beyond_the_hanging_connection_limit_are_refused() {
    let exchange = exchange(|options| options.hanging_connection_limit = 2).await;
    let mut line = Line::to(&exchange).await.unwrap();
    let mut streams = Vec::new();
    let mut ids = Vec::new();
    let (first, cookie) = subscribe(&mut line).await;
    ids.push(first);
    let bound = [AFFINE[0], AFFINE[1], ("Cookie", &cookie)];
    for _ in 0..2 {
        let heard = line.ews(&bound, SUBSCRIBE).await.unwrap();
        ids.push(between(&heard.body, "SubscriptionId>", "<").to_owned());
    }
    for id in &ids[..2] {
        let mut stream = open(&exchange, id, &cookie).await;
        assert!(stream.chunk().await.unwrap().unwrap().contains("OK"));
        streams.push(stream);
    }
    let heard = line.ews(&bound, &get_streaming_events(&ids[2])).await.unwrap();
    assert!(heard.body.contains("ErrorExceededConnectionCount"), "{}", heard.body);
    assert_eq!(exchange.open_streams(), 2);
}
