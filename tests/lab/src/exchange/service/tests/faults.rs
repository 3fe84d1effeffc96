//! Faults that the operations play.

use super::*;
use crate::exchange::faults::{Fault, Match};
use crate::exchange::service::tree;

#[test]
fn busy_is_said_in_a_fault_or_hidden_in_a_message() {
    let lab = lab();
    let busy = |inner| Fault::ServerBusy { back_off_ms: Some(1234), inner };
    lab.faults.next(Match::any(), busy(false));
    let said = lab.ask(ANN, &sync("", 10));
    assert_eq!((said.status, said.code.as_str()), (500, "ErrorServerBusy"));
    assert!(said.has("<t:Value Name=\"BackOffMilliseconds\">1234</t:Value>"));
    lab.faults.next(Match::operation("SyncFolderItems"), busy(true));
    let said = lab.ask(ANN, &sync("", 10));
    assert_eq!((said.status, said.code.as_str()), (200, "ErrorInternalServerError"));
    assert!(said.has("Name=\"InnerErrorResponseCode\">ErrorServerBusy<"));
    lab.faults.next(Match::any(), Fault::ConnectionCount { back_off_ms: 0 });
    let said = lab.ask(ANN, &sync("", 10));
    assert_eq!((said.status, said.code.as_str()), (500, "ErrorExceededConnectionCount"));
    assert_eq!(lab.ask(ANN, &sync("", 10)).code, "NoError");
}

#[test]
fn a_response_code_stands_in_every_message_and_nothing_is_done() {
    let lab = lab();
    lab.faults.next(Match::mailbox(ANN), Fault::ResponseCode("ErrorMailboxMoveInProgress".into()));
    let said = lab.ask(ANN, &super::items::create("x", ""));
    assert_eq!((said.status, said.code.as_str()), (200, "ErrorMailboxMoveInProgress"));
    assert_eq!(lab.calendars().count(ANN), 0);
    lab.faults.next(Match::any(), Fault::ResponseCode("ErrorItemNotFound".into()));
    let get = get_item("a", "IdOnly")
        .replace("<t:ItemId Id=\"a\"/>", "<t:ItemId Id=\"a\"/><t:ItemId Id=\"b\"/>");
    assert_eq!(lab.ask(ANN, &get).all("m:ResponseCode"), ["ErrorItemNotFound"; 2]);
}

#[test]
fn spoiled_answers_are_no_xml() {
    let lab = lab();
    lab.calendars().create(ANN, meeting("Subject", MONDAY).at("Somewhere"));
    for fault in [Fault::GarbageXml, Fault::IllegalCharacters] {
        lab.faults.next(Match::any(), fault.clone());
        let said = lab.ask(ANN, &find(MONDAY, MONDAY + DAY, None));
        assert!(tree::read(said.text.as_bytes()).is_err(), "{fault:?}");
        if fault == Fault::IllegalCharacters {
            let mut clean = said.text.replace("&#x0;", "").replace("&#x1F;", "");
            clean = clean.replace("&#xFFFE;", "").replace(['\u{b}', '\u{1}'], "");
            assert_eq!(clean, lab.ask(ANN, &find(MONDAY, MONDAY + DAY, None)).text);
        }
    }
}

#[test]
fn a_feed_can_be_made_to_stand_still() {
    let lab = lab();
    lab.calendars().create(ANN, meeting("M", MONDAY));
    let state = lab.ask(ANN, &sync("", 10)).one("m:SyncState");
    lab.calendars().create(ANN, meeting("N", MONDAY));
    lab.faults.next(Match::any(), Fault::SyncStandsStill);
    let said = lab.ask(ANN, &sync(&state, 10));
    assert_eq!(said.one("m:SyncState"), state);
    assert_eq!(said.one("m:IncludesLastItemInRange"), "false");
    assert!(!said.has("t:Create"));
    assert_eq!(lab.ask(ANN, &sync(&state, 10)).all("t:Create").len(), 1);
}
