//! What every engine promises of what stands beside the records: announcements, shelves, and the
//! trust list.

use super::{activate, ada, commit, deactivate, known, noon, put};
use crate::model::{Span, TrustEntry, Verdict};
use crate::pipeline::announcement::{Announcement, Topic};
use crate::pipeline::seal::{Sealed, Stashed, Tag};
use crate::store::{MOST_PENDING, Met, Settled, Store};

pub fn meetings_that_are_shown_in_another_way_are_listed_again(store: &mut impl Store) {
    activate(store, 1, "ada");
    put(store, &["a"]);
    let (times, full) = (Tag([1; 16]), Tag([2; 16]));
    assert_eq!(store.shown_as(times), Ok(true), "nobody knows how they were shown before");
    let write = commit(store, &["b"]);
    assert!(write.window.is_some());
    assert_eq!(store.commit(&[write], noon()), Ok(vec![true]));
    let before = known(store);
    assert_eq!(store.shown_as(times), Ok(false));
    assert_eq!(known(store), before);
    let begun = commit(store, &["c"]);
    assert_eq!(store.shown_as(full), Ok(true));
    assert_eq!(store.commit(&[begun], noon()), Ok(vec![false]), "it shows them as before");
    let (loaded, rows) = known(store);
    assert_eq!(loaded.unwrap().window, None);
    assert_eq!(rows, before.1, "what was sent is still known");
    assert_eq!(store.shown_as(full), Ok(false));
}

fn say(topic: Topic, word: u8) -> Announcement {
    let data = Sealed::restored(format!("\"{}:{word}\"", topic.id()));
    Announcement { user: ada(), topic, mark: Tag([word; 16]), data }
}

/// The data of what waits for the cloud, in its order, without records.
fn messages(store: &mut impl Store) -> Vec<String> {
    let all = store.outbox(100, 1 << 20).unwrap();
    let messages: Vec<_> = all.into_iter().filter(|one| one.kind.is_message()).collect();
    assert!(messages.windows(2).all(|two| two[0].sequence < two[1].sequence));
    assert!(messages.iter().all(|one| one.id.starts_with(&format!("{}.m", ada()))));
    messages.iter().map(|one| one.data.json().trim_matches('"').to_owned()).collect()
}

pub fn what_is_told_of_a_user_is_told_once_for_each_change(store: &mut impl Store) {
    activate(store, 1, "ada");
    put(store, &["a"]);
    let before = known(store);
    store.announce(&[say(Topic::Presence, 1), say(Topic::State, 1)], noon()).unwrap();
    assert_eq!(messages(store), ["presence:1", "state:1"]);
    assert_eq!(known(store), before, "records are counted apart");
    let all = store.outbox(100, 1 << 20).unwrap();
    let done = all.iter().map(|one| one.row).collect();
    store.settle(&Settled { done, aside: Vec::new() }).unwrap();
    store.announce(&[say(Topic::Presence, 1), say(Topic::State, 1)], noon()).unwrap();
    assert_eq!(messages(store), Vec::<String>::new(), "it was told");
    store.announce(&[say(Topic::Presence, 2)], noon()).unwrap();
    // The clock went back.
    store.announce(&[say(Topic::Presence, 3)], noon() - Span::DAY).unwrap();
    assert_eq!(messages(store), ["presence:3"], "the newest takes the place of one that waits");
    let last = store.outbox(100, 1 << 20).unwrap().pop().unwrap();
    let told = all.iter().filter(|one| one.kind.is_message()).map(|one| one.sequence);
    assert!(told.max().is_some_and(|before| before < last.sequence));
    // Everything is asked for again.
    activate(store, 2, "ada");
    store.announce(&[say(Topic::Presence, 3), say(Topic::State, 1)], noon()).unwrap();
    assert_eq!(messages(store), ["presence:3", "state:1"]);
}

pub fn nothing_is_told_of_whom_nobody_activated(store: &mut impl Store) {
    store.announce(&[say(Topic::State, 1)], noon()).unwrap();
    assert_eq!(messages(store), Vec::<String>::new());
    activate(store, 1, "ada");
    store.announce(&[say(Topic::State, 1)], noon()).unwrap();
    deactivate(store, 2);
    assert_eq!(messages(store), Vec::<String>::new(), "what waited is not told any more");
    store.announce(&[say(Topic::Presence, 1)], noon()).unwrap();
    assert_eq!(messages(store), Vec::<String>::new());
    activate(store, 3, "ada");
    store.announce(&[say(Topic::State, 1)], noon()).unwrap();
    assert_eq!(messages(store), ["state:1"], "it is a new life");
}

pub fn a_shelf_gives_back_what_was_put_onto_it(store: &mut dyn Store) {
    let (one, two) = (Tag([1; 16]), Tag([2; 16]));
    let line = |text: &str| Some(Stashed(text.as_bytes().to_vec()));
    store.keep("hq", &[(one, line("a")), (two, line("b"))]).unwrap();
    store.keep("other", &[(one, line("c"))]).unwrap();
    assert_eq!(store.kept("hq").unwrap(), [line("a").unwrap(), line("b").unwrap()]);
    store.keep("hq", &[(one, line("d")), (two, None)]).unwrap();
    assert_eq!(store.kept("hq").unwrap(), [line("d").unwrap()]);
    assert_eq!(store.kept("other").unwrap(), [line("c").unwrap()]);
    assert_eq!(store.kept("none").unwrap(), []);
}

pub fn a_host_is_pending_until_somebody_decides(store: &mut dyn Store) {
    assert_eq!(store.meet("a.example", "redirect", noon()).unwrap(), Met::New);
    assert_eq!(store.meet("a.example", "dns srv", noon()).unwrap(), Met::Known);
    store.decide_trust("a.example", Verdict::Allowed, noon() + Span::HOUR).unwrap();
    store.decide_trust("b.example", Verdict::Blocked, noon()).unwrap();
    assert_eq!(store.meet("b.example", "redirect", noon()).unwrap(), Met::Known);
    let entry = |host: &str, verdict, via: &str, since| TrustEntry {
        host: host.into(),
        verdict,
        via: via.into(),
        since,
    };
    let expected = [
        entry("a.example", Verdict::Allowed, "redirect", noon() + Span::HOUR),
        entry("b.example", Verdict::Blocked, "administrator", noon()),
    ];
    assert_eq!(store.trust().unwrap(), expected);
}

pub fn pending_hosts_are_bounded(store: &mut dyn Store) {
    store.decide_trust("allowed.example", Verdict::Allowed, noon() - Span::DAY).unwrap();
    for n in 0..MOST_PENDING {
        let later = noon() + Span::from_ms(n.unsigned_abs());
        let met = store.meet(&format!("h{n}.example"), "redirect", later).unwrap();
        assert_eq!(met, Met::New);
    }
    let later = noon() + Span::HOUR;
    let met = store.meet("one-more.example", "redirect", later).unwrap();
    assert_eq!(met, Met::InPlaceOf("h0.example".into()), "a new one is not hidden by old ones");
    let hosts: Vec<_> = store.trust().unwrap().into_iter().map(|entry| entry.host).collect();
    assert_eq!(hosts.len(), usize::try_from(MOST_PENDING).unwrap() + 1);
    assert!(hosts.contains(&"allowed.example".into()) && hosts.contains(&"h1.example".into()));

    store.decide_trust("h1.example", Verdict::Blocked, later).unwrap();
    assert_eq!(store.meet("another.example", "redirect", later).unwrap(), Met::New);
}

pub fn a_host_can_be_taken_off_the_trust_list(store: &mut dyn Store) {
    store.decide_trust("a.example", Verdict::Blocked, noon()).unwrap();
    store.decide_trust("b.example", Verdict::Allowed, noon()).unwrap();
    assert!(store.forget_trust("a.example").unwrap());
    assert!(!store.forget_trust("a.example").unwrap(), "it is not there any more");
    let hosts: Vec<_> = store.trust().unwrap().into_iter().map(|entry| entry.host).collect();
    assert_eq!(hosts, ["b.example"]);
    assert_eq!(store.meet("a.example", "redirect", noon()).unwrap(), Met::New);
}
