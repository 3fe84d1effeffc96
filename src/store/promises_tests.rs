//! What every engine promises, as tests: `store_promises!(open)` runs them against one.
//!
//! `open` makes an empty store; whatever it returns beside the store is kept until the test ends.

use super::{Backlog, Settled, Store};
use crate::model::{CommandId, KeyUri, Outcome, RecordKey, ResourceUri, Span, Time, UserId};
use crate::pipeline::command::{Decision, Effect};
use crate::pipeline::seal::{Sealed, Stashed, Tag};
use crate::pipeline::sync::{Commit, Event, EventKind, Keyed, Loaded, Lookup, Row};
use crate::pipeline::window::Window;

#[path = "errand_promises_tests.rs"]
mod errands;
#[path = "shelf_promises_tests.rs"]
mod shelf;
pub use errands::*;
pub use shelf::*;

/// The promises, each a test of its own.
macro_rules! store_promises {
    ($open:expr) => {
        crate::store::promises::store_promises! { $open;
            an_activation_begins_with_nothing_and_everything_to_send
            one_commit_is_cursor_index_keys_and_outbox
            lines_of_the_index_are_found_by_item_and_by_series
            an_older_activation_cannot_write
            a_commit_of_many_says_for_each_whether_it_counted
            a_newer_event_takes_the_place_of_an_older_one_that_waits
            of_the_marks_of_completeness_the_last_is_kept
            what_was_set_aside_makes_room_for_something_newer
            sequences_grow_over_deactivation_and_activation
            a_clock_that_went_back_does_not_lower_them
            a_deactivation_withdraws_everything
            a_deactivation_of_somebody_unknown_withdraws_what_an_earlier_life_sent
            another_address_withdraws_what_was_read_of_the_old_one
            the_same_command_again_has_the_same_outcome_and_no_effect
            commands_decided_together_are_decided_in_their_order
            a_resend_drops_the_pass_under_way
            the_outbox_is_bounded_by_rows_and_by_bytes
            settling_takes_rows_away_once
            the_channel_goes_on_where_it_stood
            the_backlog_counts_what_waits
            meetings_that_are_shown_in_another_way_are_listed_again
            what_is_told_of_a_user_is_told_once_for_each_change
            nothing_is_told_of_whom_nobody_activated
            an_errand_is_there_with_its_outcome_and_goes_with_its_result
            an_errand_of_whom_nobody_activated_is_refused
            a_command_that_comes_again_is_no_second_errand
            errands_end_with_the_activation_and_that_is_told
            errands_of_one_mailbox_are_bounded
            what_was_noticed_is_filed_with_its_row_and_once
            what_was_noticed_takes_no_commands_place
            what_a_record_asks_for_is_kept_until_everything_is_sent_again
            a_shelf_gives_back_what_was_put_onto_it
            a_host_is_pending_until_somebody_decides
            pending_hosts_are_bounded
            a_host_can_be_taken_off_the_trust_list
        }
    };
    ($open:expr; $($name:ident)+) => {
        $(
            #[test]
            fn $name() {
                let (mut store, _kept) = $open;
                crate::store::promises::$name(&mut store);
            }
        )+
    };
}
pub(super) use store_promises;

pub fn noon() -> Time {
    Time::from_ms(1_800_014_400_000)
}

pub fn ada() -> UserId {
    UserId::new("ada")
}

pub fn address(name: &str) -> Stashed {
    Stashed(name.as_bytes().to_vec())
}

/// A command's decision; the sequence is its number.
pub fn decision(sequence: u64, effect: Effect) -> Decision {
    let id = CommandId::new(format!("c-{sequence}"));
    Decision { id, sequence, effect, outcome: Outcome::Done }
}

pub fn activate(store: &mut impl Store, sequence: u64, name: &str) {
    let effect = Effect::Activate { user: ada(), address: address(name) };
    assert_eq!(store.decide(&decision(sequence, effect), noon()), Ok(Outcome::Done));
}

pub fn deactivate(store: &mut impl Store, sequence: u64) {
    let effect = Effect::Deactivate { user: ada() };
    assert_eq!(store.decide(&decision(sequence, effect), noon()), Ok(Outcome::Done));
}

/// The index line and the event of a record, with this sequence.
pub fn written(name: &str, sequence: u64) -> (Row, Event) {
    let tag = Tag([name.as_bytes()[0]; 16]);
    let key = RecordKey::new(name);
    let row = Row { key, item: tag, series: tag, version: tag, digest: tag, asked: None };
    (row, event(name, EventKind::Update, sequence))
}

pub fn event(key: &str, kind: EventKind, sequence: u64) -> Event {
    let data = Sealed::restored(format!("{{\"of\":\"{key}\",\"sequence\":{sequence}}}"));
    Event { key: Some(RecordKey::new(key)), kind, sequence, data }
}

/// A commit of the loaded generation that writes these records.
pub fn commit(store: &mut impl Store, keys: &[&str]) -> Commit {
    let loaded = store.load(&ada()).unwrap().unwrap();
    let mut sequence = loaded.sequence;
    let (mut rows, mut events) = (Vec::new(), Vec::new());
    for key in keys {
        sequence += 1;
        let (row, event) = written(key, sequence);
        rows.push(row);
        events.push(event);
    }
    Commit {
        user: ada(),
        generation: loaded.generation,
        cursor: Some(address("cursor")),
        window: Some(Window { from: noon(), to: noon() + Span::DAY }),
        resent: false,
        keys: None,
        rows,
        dropped: Vec::new(),
        events,
        noticed: Vec::new(),
        sequence,
        trace: None,
    }
}

/// The whole index.
pub fn index(store: &mut impl Store) -> Vec<Row> {
    store.rows(&ada(), &Lookup::All).unwrap()
}

/// What a pass can know.
pub fn known(store: &mut impl Store) -> (Option<Loaded>, Vec<Row>) {
    (store.load(&ada()).unwrap(), index(store))
}

fn settle(store: &mut impl Store, done: &[i64], aside: &[(i64, &str)]) {
    let aside = aside.iter().map(|(row, why)| (*row, (*why).to_owned())).collect();
    store.settle(&Settled { done: done.to_vec(), aside }).unwrap();
}

pub fn put(store: &mut impl Store, keys: &[&str]) {
    let commit = commit(store, keys);
    assert_eq!(store.commit(&[commit], noon()), Ok(vec![true]));
}

/// The outbox in words: the kind and whose record, in order.
pub fn waiting(store: &mut impl Store) -> Vec<String> {
    let rows = store.outbox(usize::MAX, usize::MAX).unwrap();
    assert!(rows.windows(2).all(|pair| pair[0].row < pair[1].row));
    rows.iter().map(|row| format!("{:?} {}", row.kind, of(row.data.json()))).collect()
}

fn of(json: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(json).unwrap();
    let id = &value["calendarMeetingExternal"]["id"];
    [&value["of"], id].iter().find_map(|v| v.as_str()).unwrap_or("all").to_owned()
}

pub fn sequence(store: &mut impl Store) -> u64 {
    store.load(&ada()).unwrap().unwrap().sequence
}

// ---- the promises ----

pub fn an_activation_begins_with_nothing_and_everything_to_send(store: &mut impl Store) {
    assert_eq!(store.load(&ada()), Ok(None));
    activate(store, 1, "a");
    let loaded = store.load(&ada()).unwrap().unwrap();
    assert_eq!(
        (loaded.cursor, loaded.window, loaded.keys, index(store).len()),
        (None, None, None, 0)
    );
    assert!(loaded.resend);
    assert_eq!(loaded.sequence, noon().as_ms() as u64 * 1_000);
    assert_eq!(store.mailboxes(), Ok(vec![(ada(), address("a"))]));
    assert_eq!(store.claim(&ada(), noon()), Ok(true));
}

pub fn one_commit_is_cursor_index_keys_and_outbox(store: &mut impl Store) {
    activate(store, 1, "a");
    let keys = Keyed { resource: ResourceUri::new("r"), key: KeyUri::new("k"), day: noon() };
    let mut first = commit(store, &["a", "b"]);
    (first.keys, first.resent) = (Some(keys.clone()), true);
    assert_eq!(store.commit(&[first.clone()], noon()), Ok(vec![true]));
    let loaded = store.load(&ada()).unwrap().unwrap();
    assert_eq!((loaded.cursor, loaded.window), (first.cursor, first.window));
    assert_eq!((loaded.keys, loaded.resend), (Some(keys), false));
    assert_eq!((index(store), loaded.sequence), (first.rows, first.sequence));
    let rows = store.outbox(10, usize::MAX).unwrap();
    let ids: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
    let sequence = first.sequence;
    assert_eq!(ids, [format!("ada.{:020}", sequence - 1), format!("ada.{sequence:020}")]);
    assert_eq!((rows[0].time, rows[0].user.clone()), (noon(), ada()));
    // What a commit does not name stays as it is.
    let mut second = commit(store, &[]);
    (second.cursor, second.window) = (None, None);
    second.dropped = vec![RecordKey::new("a")];
    assert_eq!(store.commit(&[second], noon()), Ok(vec![true]));
    let loaded = store.load(&ada()).unwrap().unwrap();
    assert!(loaded.cursor.is_some() && loaded.window.is_some() && loaded.keys.is_some());
    assert_eq!(index(store).len(), 1);
}

pub fn lines_of_the_index_are_found_by_item_and_by_series(store: &mut impl Store) {
    let tag = |n| Tag([n; 16]);
    activate(store, 1, "a");
    let mut first = commit(store, &["a", "b", "c"]);
    for (row, (item, series)) in first.rows.iter_mut().zip([(1, 7), (2, 7), (3, 8)]) {
        (row.item, row.series) = (tag(item), tag(series));
    }
    assert_eq!(store.commit(&[first], noon()), Ok(vec![true]));
    let mut found = |items: &[u8], series: &[u8]| -> String {
        let all = |tags: &[u8]| tags.iter().map(|n| tag(*n)).collect();
        let lookup = Lookup::Of { items: all(items), series: all(series) };
        let rows = store.rows(&ada(), &lookup).unwrap();
        rows.iter().map(|row| row.key.as_str().to_owned()).collect()
    };
    assert_eq!(found(&[2], &[]), "b");
    assert_eq!(found(&[], &[7]), "ab");
    assert_eq!(found(&[2, 3], &[7]), "abc", "each once");
    assert_eq!(found(&[9], &[9]), "");
    assert_eq!(store.rows(&UserId::new("ben"), &Lookup::All), Ok(vec![]));
}

pub fn an_older_activation_cannot_write(store: &mut impl Store) {
    activate(store, 1, "a");
    let late = commit(store, &["x"]);
    deactivate(store, 2);
    assert_eq!(store.commit(std::slice::from_ref(&late), noon()), Ok(vec![false]));
    activate(store, 3, "a");
    let before = waiting(store);
    assert_eq!(store.commit(std::slice::from_ref(&late), noon()), Ok(vec![false]));
    let bold = Commit { sequence: u64::MAX / 4, ..late };
    assert_eq!(store.commit(&[bold], noon()), Ok(vec![false]));
    assert_eq!(waiting(store), before);
    assert_eq!(index(store), []);
}

pub fn a_commit_of_many_says_for_each_whether_it_counted(store: &mut impl Store) {
    activate(store, 1, "a");
    let good = commit(store, &["a"]);
    let stale = Commit { generation: good.generation + 7, ..good.clone() };
    let nobody = Commit { user: UserId::new("nobody"), ..good.clone() };
    let counted = store.commit(&[stale, good, nobody], noon());
    assert_eq!(counted, Ok(vec![false, true, false]));
    assert_eq!(waiting(store), ["Update a"]);
}

pub fn a_newer_event_takes_the_place_of_an_older_one_that_waits(store: &mut impl Store) {
    activate(store, 1, "a");
    put(store, &["a", "b"]);
    for _ in 0..50 {
        put(store, &["a"]);
    }
    assert_eq!(waiting(store), ["Update b", "Update a"]);
    let rows = store.outbox(10, usize::MAX).unwrap();
    assert_eq!(rows[1].sequence, sequence(store), "the newest");
    let mut gone = commit(store, &[]);
    gone.sequence += 1;
    gone.events = vec![event("b", EventKind::Delete, gone.sequence)];
    gone.dropped = vec![RecordKey::new("b")];
    store.commit(&[gone], noon()).unwrap();
    assert_eq!(waiting(store), ["Update a", "Delete b"]);
}

pub fn of_the_marks_of_completeness_the_last_is_kept(store: &mut impl Store) {
    activate(store, 1, "a");
    for _ in 0..3 {
        let mut all = commit(store, &["a"]);
        all.sequence += 1;
        let complete = event("all", EventKind::Complete, all.sequence);
        all.events.push(Event { key: None, ..complete });
        store.commit(&[all], noon()).unwrap();
    }
    assert_eq!(waiting(store), ["Update a", "Complete all"]);
}

pub fn what_was_set_aside_makes_room_for_something_newer(store: &mut impl Store) {
    activate(store, 1, "a");
    put(store, &["a", "b"]);
    let rows: Vec<i64> = store.outbox(10, usize::MAX).unwrap().iter().map(|r| r.row).collect();
    settle(store, &[], &[(rows[0], "bad"), (rows[1], "bad")]);
    let backlog = store.backlog().unwrap();
    assert_eq!((backlog.waiting, backlog.aside), (0, 2));
    put(store, &["a"]);
    let backlog = store.backlog().unwrap();
    assert_eq!((backlog.waiting, backlog.aside), (1, 1));
}

pub fn sequences_grow_over_deactivation_and_activation(store: &mut impl Store) {
    let mut highest = 0;
    for round in 0..4 {
        activate(store, 10 * round + 1, "a");
        assert!(sequence(store) >= highest);
        highest = sequence(store);
        put(store, &["a", "b", "c"]);
        assert_eq!(sequence(store), highest + 3);
        deactivate(store, 10 * round + 2);
        let rows = store.outbox(100, usize::MAX).unwrap();
        assert!(rows.iter().all(|row| row.sequence > highest));
        highest = rows.iter().map(|row| row.sequence).max().unwrap();
    }
}

pub fn a_clock_that_went_back_does_not_lower_them(store: &mut impl Store) {
    activate(store, 1, "a");
    put(store, &["a"]);
    let highest = sequence(store);
    deactivate(store, 2);
    let effect = Effect::Activate { user: ada(), address: address("a") };
    let yesterday = noon() - Span::DAY;
    store.decide(&decision(3, effect), yesterday).unwrap();
    assert!(sequence(store) > highest);
    let late = Commit { sequence: highest, ..commit(store, &["x"]) };
    assert_eq!(store.commit(&[late], yesterday), Ok(vec![false]), "a lower sequence");
}

pub fn a_deactivation_withdraws_everything(store: &mut impl Store) {
    activate(store, 1, "a");
    put(store, &["a", "b"]);
    deactivate(store, 2);
    assert_eq!(waiting(store), ["Delete a", "Delete b", "Complete all"]);
    let rows = store.outbox(10, usize::MAX).unwrap();
    let own = format!("{:020}", rows[2].sequence);
    assert!(rows[2].data.json().contains(&own), "nothing older than itself");
    assert_eq!(store.load(&ada()), Ok(None));
    assert_eq!(store.mailboxes(), Ok(Vec::new()));
    activate(store, 3, "a");
    let loaded = store.load(&ada()).unwrap().unwrap();
    assert_eq!((loaded.cursor, loaded.keys, index(store).len()), (None, None, 0));
}

pub fn a_deactivation_of_somebody_unknown_withdraws_what_an_earlier_life_sent(
    store: &mut impl Store,
) {
    deactivate(store, 1);
    assert_eq!(waiting(store), ["Complete all"]);
    assert_eq!(store.mailboxes(), Ok(Vec::new()));
    activate(store, 2, "a");
    let rows = store.outbox(10, usize::MAX).unwrap();
    assert!(sequence(store) >= rows[0].sequence);
}

pub fn another_address_withdraws_what_was_read_of_the_old_one(store: &mut impl Store) {
    activate(store, 1, "a");
    put(store, &["a"]);
    activate(store, 2, "b");
    assert_eq!(waiting(store), ["Delete a"]);
    assert_eq!(store.mailboxes(), Ok(vec![(ada(), address("b"))]));
    let loaded = store.load(&ada()).unwrap().unwrap();
    assert_eq!((loaded.cursor, index(store).len(), loaded.resend), (None, 0, true));
}

pub fn the_same_command_again_has_the_same_outcome_and_no_effect(store: &mut impl Store) {
    let no = Decision { outcome: Outcome::Refused("no".into()), ..decision(1, Effect::None) };
    assert_eq!(store.outcome(&no.id), Ok(None));
    assert_eq!(store.decide(&no, noon()), Ok(Outcome::Refused("no".into())));
    let again = decision(1, Effect::Activate { user: ada(), address: address("a") });
    assert_eq!(store.decide(&again, noon()), Ok(Outcome::Refused("no".into())));
    assert_eq!(store.load(&ada()), Ok(None));
    assert_eq!(store.outcome(&no.id), Ok(Some(Outcome::Refused("no".into()))));
    activate(store, 2, "a");
    put(store, &["a"]);
    let before = (store.load(&ada()), waiting(store));
    activate(store, 2, "a");
    assert_eq!((store.load(&ada()), waiting(store)), before);
}

pub fn commands_decided_together_are_decided_in_their_order(store: &mut impl Store) {
    let on = decision(1, Effect::Activate { user: ada(), address: address("a") });
    let off = decision(2, Effect::Deactivate { user: ada() });
    let no = Decision { outcome: Outcome::Refused("no".into()), ..decision(3, Effect::None) };
    let group = [on.clone(), off, no, on];
    let refused = Outcome::Refused("no".into());
    let expected = vec![Outcome::Done, Outcome::Done, refused, Outcome::Done];
    assert_eq!(store.decide_all(&group, noon()), Ok(expected));
    assert_eq!(store.load(&ada()), Ok(None), "the last one is the first again");
    assert_eq!((waiting(store), store.channel_position()), (vec!["Complete all".into()], Ok(3)));
    assert_eq!(store.decide_all(&[], noon()), Ok(vec![]));
}

pub fn a_resend_drops_the_pass_under_way(store: &mut impl Store) {
    for (number, effect) in [
        Effect::Resend { user: Some(ada()) },
        Effect::Resend { user: None },
        Effect::Activate { user: ada(), address: address("a") },
    ]
    .into_iter()
    .enumerate()
    {
        activate(store, 1, "a");
        let done = Commit { resent: true, ..commit(store, &["a"]) };
        store.commit(&[done], noon()).unwrap();
        assert!(!store.load(&ada()).unwrap().unwrap().resend);
        let under_way = Commit { resent: true, ..commit(store, &["b"]) };
        store.decide(&decision(number as u64 + 2, effect), noon()).unwrap();
        assert_eq!(store.commit(&[under_way], noon()), Ok(vec![false]));
        let loaded = store.load(&ada()).unwrap().unwrap();
        assert!(loaded.resend && loaded.cursor.is_some() && index(store).len() == 1);
    }
    let nobody = Effect::Resend { user: Some(UserId::new("nobody")) };
    assert_eq!(store.decide(&decision(9, nobody), noon()), Ok(Outcome::Done));
}

pub fn the_outbox_is_bounded_by_rows_and_by_bytes(store: &mut impl Store) {
    activate(store, 1, "a");
    put(store, &["a", "b", "c"]);
    let lengths: Vec<usize> =
        store.outbox(9, usize::MAX).unwrap().iter().map(|r| r.data.json().len()).collect();
    assert_eq!(store.outbox(2, usize::MAX).unwrap().len(), 2);
    assert_eq!(store.outbox(9, lengths[0] + lengths[1]).unwrap().len(), 2);
    assert_eq!(store.outbox(9, 1).unwrap().len(), 1, "one at least");
}

pub fn settling_takes_rows_away_once(store: &mut impl Store) {
    activate(store, 1, "a");
    put(store, &["a", "b", "c"]);
    let rows: Vec<i64> = store.outbox(9, usize::MAX).unwrap().iter().map(|r| r.row).collect();
    // While these are on their way, one of them is replaced.
    put(store, &["b"]);
    settle(store, &rows[..2], &[]);
    assert_eq!(waiting(store), ["Update c", "Update b"], "the newer b was not sent yet");
    settle(store, &rows, &[(rows[0], "again")]);
    assert_eq!(waiting(store), ["Update b"]);
    assert_eq!(store.backlog().unwrap().aside, 0);
}

pub fn the_channel_goes_on_where_it_stood(store: &mut impl Store) {
    assert_eq!(store.channel_position(), Ok(0));
    store.decide(&decision(5, Effect::None), noon()).unwrap();
    store.decide(&decision(9, Effect::None), noon()).unwrap();
    assert_eq!(store.channel_position(), Ok(9));
}

pub fn the_backlog_counts_what_waits(store: &mut impl Store) {
    assert_eq!(store.backlog(), Ok(Backlog::default()));
    activate(store, 1, "a");
    put(store, &["a"]);
    let later = commit(store, &["b"]);
    store.commit(&[later], noon() + Span::HOUR).unwrap();
    let backlog = Backlog { waiting: 2, oldest: Some(noon()), aside: 0 };
    assert_eq!(store.backlog(), Ok(backlog));
}
