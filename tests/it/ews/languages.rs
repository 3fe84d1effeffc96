//! The language of a mailbox, as its folders tell it: seen once, and not asked for on and on.

use calway::calendar::Calendar;
use calway::model::Next;
use calway_lab::exchange::{Fault as Wrong, Match};
use futures_util::FutureExt as _;

use super::Stage;

const ANN: &str = "ann@corp.example";

#[tokio::test]
async fn a_mailbox_that_was_verified_is_not_asked_for_its_language_again() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    stage.exchange.calendars().set_culture(ANN, "de-DE");
    stage.ews.verify(&ann).await.unwrap();
    for _ in 0..3 {
        assert_eq!(stage.ews.language(&ann).await.unwrap().as_deref(), Some("de"));
    }
    assert_eq!(stage.exchange.log().touches(ANN)["GetFolder"], 1, "one request told both");
}

#[tokio::test]
async fn each_language_that_the_server_names_folders_in_is_recognised() {
    for (culture, language) in [
        ("en-US", "en"),
        ("fr-CA", "fr"),
        ("he-IL", "he"),
        ("ja-JP", "ja"),
        ("nl-BE", "nl"),
        ("pt-BR", "pt-BR"),
    ] {
        let stage = Stage::new().await;
        let ann = stage.mailbox("ann");
        stage.exchange.calendars().set_culture(ANN, culture);
        assert_eq!(stage.ews.language(&ann).await.unwrap().as_deref(), Some(language));
    }
}

#[tokio::test]
async fn a_language_that_could_not_be_asked_for_is_asked_for_again_and_one_that_was_is_not() {
    let stage = Stage::new().await;
    let ann = stage.mailbox("ann");
    let away = Wrong::ResponseCode("ErrorMailboxStoreUnavailable".into());
    stage.exchange.faults().next(Match::operation("GetFolder"), away);
    let fault = stage.ews.language(&ann).await.unwrap_err();
    assert_eq!(fault.next, Next::Retry { after: None }, "{fault}");
    let denied = Wrong::ResponseCode("ErrorFolderNotFound".into());
    stage.exchange.faults().next(Match::operation("GetFolder"), denied);
    assert_eq!(stage.ews.verify(&ann).await.unwrap_err().next, Next::Gone);
    assert_eq!(stage.ews.language(&ann).await.unwrap().as_deref(), Some("en"));
    let asked = stage.exchange.log().count("GetFolder");
    stage.ews.language(&ann).await.unwrap();
    assert_eq!(stage.exchange.log().count("GetFolder"), asked);
    // Who is no longer active is forgotten; of where it was, a minute later.
    let _ = stage.ews.forget(&ann).now_or_never();
    stage.ews.language(&ann).await.unwrap();
    assert_eq!(stage.exchange.log().count("GetFolder"), asked + 1);
}
