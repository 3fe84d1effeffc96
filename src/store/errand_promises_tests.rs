//! What every engine promises of errands.

use super::{activate, ada, address, commit, deactivate, decision, index, noon};
use crate::model::{CommandId, Outcome, Span};
use crate::pipeline::command::{Effect, NO_LONGER_ACTIVE, NOT_ACTIVE, TOO_MANY};
use crate::pipeline::errand::{self, Advance, ErrandKind, Filed, Stage};
use crate::pipeline::limits;
use crate::pipeline::outbox::Outgoing;
use crate::pipeline::seal::Tag;
use crate::pipeline::sync::{Commit, Row};
use crate::store::Store;

fn file(store: &mut impl Store, sequence: u64, kind: ErrandKind) -> Outcome {
    let effect = Effect::Errand { user: ada(), kind, body: address("wanted") };
    store.decide(&decision(sequence, effect), noon()).unwrap()
}

fn id(sequence: u64) -> CommandId {
    CommandId::new(format!("c-{sequence}"))
}

fn all(store: &mut impl Store) -> Vec<Filed> {
    store.errands(0, 1_000).unwrap()
}

/// Of the errand that is filed under that id now; 0 where none is.
fn row(store: &mut impl Store, id: &CommandId) -> i64 {
    all(store).iter().find(|filed| filed.id == *id).map_or(0, |filed| filed.row)
}

fn step(store: &mut impl Store, sequence: u64, stage: Stage) -> Advance {
    let id = id(sequence);
    let (body, told, done, anew) = (None, Vec::new(), false, None);
    Advance { row: row(store, &id), id, stage, body, told, done, anew }
}

fn messages(store: &mut impl Store) -> Vec<Outgoing> {
    let rows = store.outbox(1_000, usize::MAX).unwrap();
    rows.into_iter().filter(|row| row.kind.is_message()).collect()
}

pub fn an_errand_is_there_with_its_outcome_and_goes_with_its_result(store: &mut impl Store) {
    activate(store, 1, "a");
    assert_eq!(file(store, 2, ErrandKind::Create), Outcome::Done);
    assert_eq!(file(store, 3, ErrandKind::FreeBusy), Outcome::Done);
    let filed = all(store);
    assert_eq!((filed[0].id.clone(), filed[0].user.clone()), (id(2), ada()));
    assert_eq!((filed[0].kind, filed[0].stage), (ErrandKind::Create, Stage::Accepted));
    assert_eq!((filed[0].body.clone(), filed[0].born), (address("wanted"), noon()));
    assert_eq!(store.errands(filed[0].row, 9).unwrap(), filed[1..], "those after it");
    assert_eq!(store.errands(0, 1).unwrap(), filed[..1]);
    let sending = Advance { body: Some(address("placed")), ..step(store, 2, Stage::Sending) };
    assert_eq!(store.advance(&sending, noon()), Ok(true));
    let now = &all(store)[0];
    assert_eq!((now.stage, now.body.clone()), (Stage::Sending, address("placed")));
    let again = step(store, 2, Stage::Sending);
    assert_eq!(store.advance(&again, noon()), Ok(true));
    assert_eq!(all(store)[0].body, address("placed"), "it stays where nothing else is said");
    let told = vec![errand::result(&id(2), ErrandKind::Create, "no")];
    let end = Advance { told, done: true, ..step(store, 2, Stage::Sending) };
    assert_eq!(store.advance(&end, noon() + Span::HOUR), Ok(true));
    assert_eq!(all(store).len(), 1);
    let told = messages(store);
    assert_eq!(told.len(), 1);
    assert!(told[0].id.contains(".m") && told[0].data.json().contains("\"c-2\""));
    assert_eq!(store.advance(&end, noon()), Ok(false), "it ends once");
    assert_eq!(messages(store).len(), 1, "and is told once");
}

pub fn an_errand_of_whom_nobody_activated_is_refused(store: &mut impl Store) {
    let refused = Outcome::Refused(NOT_ACTIVE.into());
    assert_eq!(file(store, 1, ErrandKind::Respond), refused);
    assert_eq!(store.outcome(&id(1)), Ok(Some(refused.clone())));
    activate(store, 2, "a");
    deactivate(store, 3);
    assert_eq!(file(store, 4, ErrandKind::Respond), refused);
    assert_eq!(all(store), []);
}

pub fn a_command_that_comes_again_is_no_second_errand(store: &mut impl Store) {
    activate(store, 1, "a");
    assert_eq!(file(store, 2, ErrandKind::Create), Outcome::Done);
    assert_eq!(file(store, 2, ErrandKind::Create), Outcome::Done);
    assert_eq!(all(store).len(), 1);
    let done = Advance { done: true, ..step(store, 2, Stage::Accepted) };
    store.advance(&done, noon()).unwrap();
    assert_eq!(file(store, 2, ErrandKind::Create), Outcome::Done);
    assert_eq!(all(store).len(), 0, "nor after it is done");
}

pub fn errands_end_with_the_activation_and_that_is_told(store: &mut impl Store) {
    activate(store, 1, "a");
    file(store, 2, ErrandKind::Create);
    activate(store, 3, "a");
    assert_eq!(all(store).len(), 1, "the same address is the same calendar");
    activate(store, 4, "b");
    assert_eq!(all(store), []);
    file(store, 5, ErrandKind::Respond);
    let sending = step(store, 5, Stage::Sending);
    deactivate(store, 6);
    assert_eq!(store.advance(&sending, noon()), Ok(false), "nothing is sent");
    let told = messages(store);
    for (one, command) in told.iter().zip(["c-2", "c-5"]) {
        let said = one.data.json();
        assert!(said.contains(command) && said.contains(NO_LONGER_ACTIVE), "{said}");
        assert!(said.contains("refused"), "{said}");
    }
    assert_eq!(told.len(), 2);
    assert!(told[0].sequence < told[1].sequence);
}

pub fn errands_of_one_mailbox_are_bounded(store: &mut impl Store) {
    activate(store, 1, "a");
    for n in 0..u64::from(limits::ERRANDS) {
        assert_eq!(file(store, 10 + n, ErrandKind::FreeBusy), Outcome::Done);
    }
    let beyond = Outcome::Refused(TOO_MANY.into());
    assert_eq!(file(store, 9_000, ErrandKind::FreeBusy), beyond);
    let done = Advance { done: true, ..step(store, 10, Stage::Accepted) };
    store.advance(&done, noon()).unwrap();
    assert_eq!(file(store, 9_001, ErrandKind::FreeBusy), Outcome::Done);
}

/// A commit of one record that asks for something, with the errand of this name.
fn noticing(store: &mut impl Store, name: &str, body: &str) -> Commit {
    let mut all = commit(store, &["a"]);
    all.rows[0].asked = Some(Tag([1; 16]));
    all.noticed = vec![(CommandId::new(name), address(body))];
    all
}

pub fn what_was_noticed_is_filed_with_its_row_and_once(store: &mut impl Store) {
    activate(store, 1, "a");
    let first = noticing(store, "attend:1", "first");
    assert_eq!(store.commit(std::slice::from_ref(&first), noon()), Ok(vec![true]));
    assert_eq!(index(store), first.rows);
    let again = noticing(store, "attend:1", "second");
    assert_eq!(store.commit(&[again], noon() + Span::HOUR), Ok(vec![true]));
    let third = noticing(store, "attend:1", "third");
    assert_eq!(store.commit(&[third], noon() + Span::HOUR), Ok(vec![true]));
    let filed = all(store);
    assert_eq!(
        (filed.len(), filed[0].kind, filed[0].stage),
        (2, ErrandKind::Attend, Stage::Accepted),
        "the first may be under way; the second is not"
    );
    assert_eq!((&filed[1].body, filed[1].stage), (&address("second"), Stage::Accepted));
    assert_eq!((&filed[0].id, &filed[0].user), (&CommandId::new("attend:1"), &ada()));
    assert_eq!((&filed[0].body, filed[0].born), (&address("first"), noon()), "it waits already");
    let (row, id) = (filed[0].row, CommandId::new("attend:1"));
    let done = Advance { row, id, done: true, ..step(store, 1, Stage::Accepted) };
    let other = Advance { done: false, anew: Some(Tag([2; 16])), ..done.clone() };
    assert_eq!(store.advance(&other, noon()), Ok(true));
    assert_eq!(index(store), first.rows);
    assert_eq!(store.advance(&done, noon()), Ok(true));
    assert_eq!(all(store).len(), 1, "it ends alone");
    let more = Advance { row: filed[1].row, id: filed[1].id.clone(), ..done.clone() };
    assert_eq!(store.advance(&more, noon()), Ok(true));
    let late = Commit { generation: 7, ..noticing(store, "attend:2", "late") };
    assert_eq!(store.commit(&[late], noon()), Ok(vec![false]));
    assert_eq!(all(store), [], "an older activation files nothing");
    let anew = noticing(store, "attend:1", "anew");
    store.commit(&[anew], noon()).unwrap();
    assert_eq!(all(store).len(), 1, "what is done can come anew");
    assert_eq!(store.advance(&done, noon()), Ok(false), "what came before does not end it");
    assert_eq!(all(store).len(), 1);
    let waits = Advance { row: all(store)[0].row, anew: Some(Tag([1; 16])), ..done };
    assert_eq!(store.advance(&waits, noon()), Ok(true));
    assert_eq!(index(store)[0].asked, None, "its row says no more that it asks");
    deactivate(store, 2);
    assert_eq!((all(store), messages(store)), (vec![], vec![]), "nobody asked to be told of it");
}

pub fn what_was_noticed_takes_no_commands_place(store: &mut impl Store) {
    activate(store, 1, "a");
    let mut many = noticing(store, "attend:0", "x");
    many.noticed = (0..limits::ERRANDS + 1)
        .map(|n| (CommandId::new(format!("attend:{n}")), address("x")))
        .collect();
    store.commit(&[many], noon()).unwrap();
    assert_eq!(file(store, 2, ErrandKind::Create), Outcome::Done);
    assert_eq!(all(store).len(), limits::ERRANDS as usize + 2);
}

pub fn what_a_record_asks_for_is_kept_until_everything_is_sent_again(store: &mut impl Store) {
    for (number, effect) in [
        Effect::Resend { user: Some(ada()) },
        Effect::Resend { user: None },
        Effect::Activate { user: ada(), address: address("a") },
    ]
    .into_iter()
    .enumerate()
    {
        activate(store, 1, "a");
        let asks = noticing(store, "attend:1", "x");
        store.commit(std::slice::from_ref(&asks), noon()).unwrap();
        assert_eq!(index(store), asks.rows);
        store.decide(&decision(number as u64 + 2, effect), noon()).unwrap();
        let forgotten: Vec<_> =
            asks.rows.iter().map(|row| Row { asked: None, ..row.clone() }).collect();
        assert_eq!(index(store), forgotten);
        let answered = Commit { noticed: vec![], ..noticing(store, "", "") };
        let answered = Commit { rows: forgotten.clone(), ..answered };
        store.commit(&[answered], noon()).unwrap();
        assert_eq!(index(store), forgotten, "it asks for nothing any more");
    }
}
