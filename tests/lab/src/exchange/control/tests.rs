//! What a script from outside asks for, and what it hears.

use super::super::line::{GET_FOLDER, Line, exchange};
use super::*;

async fn post(exchange: &Exchange, path: &str, body: Value) -> Outcome {
    act(exchange, &Method::POST, path, "", &body).await
}

async fn get(exchange: &Exchange, path: &str) -> Value {
    act(exchange, &Method::GET, path, "", &Value::Null).await.unwrap()
}

const ANN: &str = "/mailboxes/ann@corp.example";

#[tokio::test]
async fn an_item_is_read_as_it_was_made() {
    let exchange = exchange(|_| ()).await;
    post(&exchange, &format!("{ANN}/culture"), json!({"culture": "de-DE"})).await.unwrap();
    let mark = json!({"set": "0D6D8F9C-5CA5-4C4E-BD84-5A2E0C4E7F11", "name": "N", "values": ["v"]});
    let made = json!({
        "mailbox": "ann@corp.example",
        "subject": "Plan",
        "start_ms": 1_780_304_400_000_i64,
        "html": "<p>Words</p>",
        "attendees": [{"address": "bob@corp.example"}],
        "extended": [mark],
    });
    let id = post(&exchange, "/items", made).await.unwrap()["id"].clone();
    let whom = json!({"mailbox": "ann@corp.example", "id": id});
    let read = post(&exchange, "/items/read", whom).await.unwrap();
    let item = &read["item"];
    assert_eq!((&item["subject"], &item["culture"]), (&json!("Plan"), &json!("de-DE")));
    assert_eq!((&item["body"], &item["body_html"]), (&json!("<p>Words</p>"), &json!(true)));
    assert_eq!(item["extended"][0]["set"], "0d6d8f9c-5ca5-4c4e-bd84-5a2e0c4e7f11");
    assert_eq!(item["attendees"][0]["response"], "Unknown");
    assert_eq!(get(&exchange, "/mails").await, json!([]), "what a script does sends nothing");
    let nothing = json!({"mailbox": "ann@corp.example", "id": "x"});
    assert!(post(&exchange, "/items/read", nothing).await.is_err());
}

#[tokio::test]
async fn who_is_away_is_away_until_a_script_says_otherwise() {
    let exchange = exchange(|_| ()).await;
    let oof = format!("{ANN}/oof");
    assert_eq!(get(&exchange, &oof).await["state"], "disabled");
    let away = json!({"state": "scheduled", "audience": "known", "from_ms": 1, "to_ms": 2});
    post(&exchange, &oof, away).await.unwrap();
    let told = get(&exchange, &oof).await;
    assert_eq!((&told["state"], &told["audience"]), (&json!("scheduled"), &json!("known")));
    assert_eq!((&told["from_ms"], &told["to_ms"]), (&json!(1), &json!(2)));
    assert!(post(&exchange, &oof, json!({"state": "perhaps"})).await.is_err());
}

#[tokio::test]
async fn every_fault_that_the_help_names_can_be_asked_for() {
    let exchange = exchange(|_| ()).await;
    let (_, names) = HELP.split_once("fault: ").unwrap();
    let (names, _) = names.split_once("with:").unwrap();
    let names: Vec<&str> = names.split_whitespace().collect();
    assert!(names.contains(&"hold-answer") && names.len() > 20, "{names:?}");
    for name in names {
        let fault = json!({"fault": name, "code": "ErrorX", "ms": 1, "bytes": 1, "times": 0});
        post(&exchange, "/faults", fault).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
    act(&exchange, &Method::DELETE, "/faults", "", &Value::Null).await.unwrap();
    assert!(exchange.faults().is_empty());
}

#[tokio::test]
async fn the_mailboxes_that_were_touched_are_told_with_their_operations() {
    let exchange = exchange(|_| ()).await;
    Line::to(&exchange).await.unwrap().ews(&[], GET_FOLDER).await.unwrap();
    let told = get(&exchange, "/touched").await;
    assert_eq!(told, json!({"ann@corp.example": {"GetFolder": 1}}));
    act(&exchange, &Method::DELETE, "/log", "", &Value::Null).await.unwrap();
    assert_eq!(get(&exchange, "/touched").await, json!({}));
}
