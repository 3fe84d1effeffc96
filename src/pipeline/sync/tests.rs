//! Passes over pages, items and listings that a test writes down.

mod ill;
mod items;
mod notices;
mod shortfall;
mod showing;
mod twins;

use super::*;
use crate::model::{ItemId, Meeting, Plain, Span};
use crate::pipeline::samples::{
    entry, fresh, installation, item, key, meeting, occurrence, user, window,
};

/// What a pass did with the answers it was given.
#[derive(Debug, Default)]
struct Played {
    /// `changes`, `changes:CURSOR`, `items a b`, `view`, `key`, `commit`.
    steps: Vec<String>,
    commits: Vec<Commit>,
    looked: Vec<Lookup>,
    ill: bool,
    shortfall: Shortfall,
    skipped: BTreeSet<Tag>,
    end: Option<Result<bool, Fault>>,
}

impl Played {
    fn said(&self) -> String {
        self.steps.join(", ")
    }

    /// All events: `create`, `update`, `delete`, `complete`, in order.
    fn events(&self) -> String {
        let all = self.commits.iter().flat_map(|commit| &commit.events);
        all.map(|event| format!("{:?}", event.kind).to_lowercase()).collect::<Vec<_>>().join(" ")
    }

    /// What the store holds afterwards.
    fn stored(&self, before: impl Into<Stored>) -> Stored {
        let mut after = before.into();
        for commit in &self.commits {
            after.loaded.cursor = commit.cursor.clone().or(after.loaded.cursor);
            after.loaded.window = commit.window.or(after.loaded.window);
            after.loaded.resend &= !commit.resent;
            after.loaded.sequence = commit.sequence;
            for row in &commit.rows {
                after.index.retain(|old| old.key != row.key);
                after.index.push(row.clone());
            }
            after.index.retain(|row| !commit.dropped.contains(&row.key));
        }
        after
    }
}

/// What the store holds of a mailbox.
#[derive(Clone, Debug)]
struct Stored {
    loaded: Loaded,
    index: Vec<Row>,
    showing: Arc<Showing>,
}

impl From<Loaded> for Stored {
    fn from(loaded: Loaded) -> Self {
        Self { loaded, index: Vec::new(), showing: Arc::default() }
    }
}

impl Stored {
    fn but(mut self, change: impl FnOnce(&mut Loaded)) -> Self {
        change(&mut self.loaded);
        self
    }

    fn rows(&self, lookup: &Lookup) -> Vec<Row> {
        let wanted = |row: &&Row| match lookup {
            Lookup::All => true,
            Lookup::Of { items, series } => {
                items.contains(&row.item) || series.contains(&row.series)
            }
        };
        self.index.iter().filter(wanted).cloned().collect()
    }
}

/// Plays until the answers are used up or the pass ends. Keys and commits are granted.
fn play(before: impl Into<Stored>, answers: Vec<Result<Got, Fault>>) -> Played {
    play_but(before, |_| (), answers)
}

/// The same, where something is told to the pass at its beginning.
fn play_but(
    before: impl Into<Stored>,
    tell: impl FnOnce(&mut Pass),
    answers: Vec<Result<Got, Fault>>,
) -> Played {
    let mut played = Played::default();
    let before = before.into();
    let loaded = before.loaded.clone();
    let mut answers = VecDeque::from(answers);
    let (installation, showing) = (installation(), before.showing.clone());
    let (mut pass, mut step) = match Pass::start(user(1), window(), loaded, installation, showing) {
        Ok((pass, step)) => (pass, Ok(step)),
        Err(fault) => return Played { end: Some(Err(fault)), ..played },
    };
    tell(&mut pass);
    loop {
        (played.ill, played.shortfall) = (pass.is_ill(), pass.shortfall());
        played.skipped.clone_from(pass.skipped());
        let got = match step {
            Err(fault) => {
                played.end = Some(Err(fault));
                return played;
            }
            Ok(Step::Done { more }) => {
                played.end = Some(Ok(more));
                return played;
            }
            Ok(Step::Key) => {
                played.steps.push("key".into());
                Ok(Got::Key(key("k1")))
            }
            Ok(Step::Look(lookup)) => {
                let rows = played.stored(before.clone()).rows(&lookup);
                played.looked.push(lookup);
                Ok(Got::Rows(rows))
            }
            Ok(Step::Commit(commit)) => {
                played.steps.push("commit".into());
                played.commits.push(*commit);
                Ok(Got::Committed)
            }
            Ok(Step::Ask(ask)) => {
                played.steps.push(told(&ask));
                match answers.pop_front() {
                    Some(answer) => answer,
                    None => return played,
                }
            }
        };
        step = match got {
            Ok(got) => pass.got(got),
            Err(fault) => pass.failed(fault),
        };
    }
}

fn told(ask: &Ask) -> String {
    match ask {
        Ask::Changes(None) => "changes".into(),
        Ask::Changes(Some(cursor)) => format!("changes:{}", cursor.0),
        Ask::Items(ids) => {
            let names: Vec<_> = ids.iter().map(|id| id.0.to_string()).collect();
            format!("items {}", names.join(" "))
        }
        Ask::View(_) => "view".into(),
    }
}

fn page(cursor: &str, changes: Vec<Change>) -> Result<Got, Fault> {
    Ok(Got::Page(Page { changes, cursor: Cursor(cursor.into()), last: true }))
}

fn more(cursor: &str, changes: Vec<Change>) -> Result<Got, Fault> {
    Ok(Got::Page(Page { changes, cursor: Cursor(cursor.into()), last: false }))
}

fn view(meetings: &[&Meeting]) -> Result<Got, Fault> {
    let entries: Vec<_> = meetings.iter().map(|meeting| entry(meeting)).collect();
    Ok(Got::View(entries.into()))
}

fn found(meetings: &[&Meeting]) -> Result<Got, Fault> {
    let all = meetings.iter().map(|meeting| Found::Meeting(Box::new((*meeting).clone())));
    Ok(Got::Items(all.collect()))
}

fn upsert(name: &str) -> Change {
    Change::Upsert(item(name))
}

fn delete(name: &str) -> Change {
    Change::Delete(item(name))
}

fn master(uid: &str) -> Result<Got, Fault> {
    Ok(Got::Items(vec![Found::Master { item: item(uid), uid: Plain::new(uid) }]))
}

/// What the store knows after these were read at cursor c0.
fn holding(meetings: &[&Meeting]) -> Stored {
    let first = play(fresh(), vec![page("c0", vec![]), view(meetings), found(meetings)]);
    assert_eq!(first.end, Some(Ok(false)), "{first:?}");
    let after = first.stored(fresh());
    assert_eq!(after.index.len(), meetings.len());
    after
}

#[test]
fn a_first_pass_drains_the_feed_and_reads_the_window() {
    let (a, b) = (meeting("a", "a"), meeting("b", "b"));
    let played = play(
        fresh(),
        vec![
            more("c1", vec![upsert("x")]),
            page("c2", vec![upsert("y")]),
            view(&[&a, &b]),
            found(&[&a, &b]),
        ],
    );
    assert_eq!(played.said(), "changes, changes:c1, view, items a b, key, commit");
    assert_eq!(played.events(), "create create complete");
    let commit = &played.commits[0];
    let sequences: Vec<_> = commit.events.iter().map(|event| event.sequence).collect();
    assert_eq!(sequences, [101, 102, 103]);
    assert_eq!((commit.sequence, commit.resent, commit.window), (103, true, Some(window())));
    assert!(commit.events[2].data.json().contains("00000000000000000101"));
    assert_eq!(played.end, Some(Ok(false)));
}

#[test]
fn an_empty_page_costs_one_call_and_no_write() {
    let a = meeting("a", "a");
    let played = play(holding(&[&a]), vec![page("c1", vec![])]);
    assert_eq!(played.said(), "changes:c0");
    assert_eq!(played.end, Some(Ok(false)));
}

#[test]
fn a_touched_meeting_moves_the_index_and_is_not_sent() {
    let a = meeting("a", "a");
    let touched = Meeting { version: "2".into(), last_modified: Some(a.start), ..a.clone() };
    let played = play(holding(&[&a]), vec![page("c1", vec![upsert("a")]), found(&[&touched])]);
    assert_eq!(played.events(), "");
    assert_eq!(played.commits[0].rows.len(), 1);
    let changed = Meeting { subject: Plain::new("Other"), ..touched };
    let played = play(holding(&[&a]), vec![page("c1", vec![upsert("a")]), found(&[&changed])]);
    assert_eq!(played.events(), "update");
}

#[test]
fn a_meeting_that_moved_to_another_id_is_not_withdrawn() {
    let a = meeting("a", "old");
    let moved = Meeting { item: item("new"), version: "2".into(), ..a.clone() };
    let orders = [vec![delete("old"), upsert("new")], vec![upsert("new"), delete("old")]];
    for changes in orders {
        let played = play(holding(&[&a]), vec![page("c1", changes), found(&[&moved])]);
        assert_eq!(played.events(), "");
        let after = played.stored(holding(&[&a]));
        assert_eq!(after.index[0].item, installation().item_tag(&moved.item));
    }
    // Over two pages: the old id is unknown by then, so the listing has the last word.
    let played = play(
        holding(&[&a]),
        vec![
            more("c1", vec![upsert("new")]),
            found(&[&moved]),
            page("c2", vec![delete("old")]),
            view(&[&moved]),
            found(&[&moved]),
        ],
    );
    assert_eq!(played.events(), "");
    assert_eq!(played.end, Some(Ok(false)));
}

#[test]
fn a_deletion_of_what_is_known_costs_no_listing_and_of_what_is_not_one() {
    let (a, b) = (meeting("a", "a"), meeting("b", "b"));
    let played = play(holding(&[&a, &b]), vec![page("c1", vec![delete("a")])]);
    assert_eq!(
        (played.said().as_str(), played.events().as_str()),
        ("changes:c0, commit", "delete")
    );
    let played = play(holding(&[&a, &b]), vec![page("c1", vec![delete("x")]), view(&[&b])]);
    assert_eq!(played.said(), "changes:c0, view, commit");
    assert_eq!(played.events(), "delete", "the listing knows nothing of a");
}

#[test]
fn of_the_index_only_what_the_changes_touch_is_looked_up() {
    let (a, b) = (meeting("a", "a"), meeting("b", "b"));
    let changed = Meeting { subject: Plain::new("Other"), version: "2".into(), ..a.clone() };
    let changes = vec![upsert("a"), delete("b")];
    let played = play(holding(&[&a, &b]), vec![page("c1", changes), found(&[&changed])]);
    assert_eq!(played.events(), "update delete");
    let item = |meeting: &Meeting| installation().item_tag(&meeting.item);
    let series = installation().tag(&[b"series", b"a".as_slice()]);
    let expected = [
        Lookup::Of { items: vec![item(&b)], series: vec![] },
        Lookup::Of { items: vec![item(&a)], series: vec![series] },
    ];
    assert_eq!(played.looked, expected);
    let played = play(holding(&[&a, &b]), vec![page("c1", vec![])]);
    assert_eq!(played.looked, [], "nothing changed");
    let rolled = holding(&[&a, &b]).but(|loaded| loaded.window = None);
    let played = play(rolled, vec![page("c1", vec![delete("b")]), view(&[&a])]);
    assert_eq!((played.events().as_str(), played.looked), ("delete", vec![Lookup::All]));
}

#[test]
fn a_changed_series_is_read_anew_whatever_its_versions_say() {
    let all: Vec<_> = (0..3).map(|n| occurrence("s", n)).collect();
    let refs: Vec<_> = all.iter().collect();
    let renamed: Vec<_> = all[..2]
        .iter()
        .map(|old| Meeting { subject: Plain::new("Renamed"), ..old.clone() })
        .collect();
    let renamed: Vec<_> = renamed.iter().collect();
    let played = play(
        holding(&refs),
        vec![page("c1", vec![upsert("s")]), master("s"), view(&renamed), found(&renamed)],
    );
    assert_eq!(played.said(), "changes:c0, items s, view, items s#0 s#1, key, commit");
    assert_eq!(played.events(), "update update delete");
}

#[test]
fn a_series_that_became_single_loses_its_occurrences_and_the_other_way_round() {
    let all: Vec<_> = (0..3).map(|n| occurrence("s", n)).collect();
    let refs: Vec<_> = all.iter().collect();
    let single = meeting("s", "s");
    let answers = vec![page("c1", vec![upsert("s")]), found(&[&single]), view(&[&single])];
    let played = play(holding(&refs), answers);
    assert_eq!(played.end, Some(Ok(false)));
    let after = played.stored(holding(&refs));
    assert_eq!(after.index.len(), 1);
    assert_eq!(played.events(), "create delete delete delete");
    let played = play(
        holding(&[&single]),
        vec![page("c1", vec![upsert("s")]), master("s"), view(&refs), found(&refs)],
    );
    assert_eq!(played.events(), "create create create delete");
}

#[test]
fn a_meeting_that_left_the_window_or_was_called_off_is_withdrawn() {
    let a = meeting("a", "a");
    let later = a.start + Span::DAY.times(60);
    let gone = [
        Meeting { start: later, end: later, version: "2".into(), ..a.clone() },
        Meeting { cancelled: true, version: "2".into(), ..a.clone() },
    ];
    for changed in gone {
        let played = play(holding(&[&a]), vec![page("c1", vec![upsert("a")]), found(&[&changed])]);
        assert_eq!(played.events(), "delete");
    }
}

#[test]
fn an_item_that_vanished_between_page_and_reading_harms_nobody() {
    let a = meeting("a", "a");
    let missing = |name: &str| Ok(Got::Items(vec![Found::Missing(item(name))]));
    let played = play(holding(&[&a]), vec![page("c1", vec![upsert("new")]), missing("new")]);
    assert_eq!(
        (played.said().as_str(), played.events().as_str()),
        ("changes:c0, items new, commit", "")
    );
    let played = play(holding(&[&a]), vec![page("c1", vec![upsert("a")]), missing("a")]);
    assert_eq!(played.events(), "delete");
    let stray = Ok(Got::Items(vec![Found::Other(item("a"))]));
    let played = play(holding(&[&a]), vec![page("c1", vec![upsert("a")]), stray]);
    assert_eq!(played.events(), "delete", "it is no meeting any more");
}

#[test]
fn a_lost_cursor_is_mended_in_the_same_pass_and_only_once() {
    let (a, b) = (meeting("a", "a"), meeting("b", "b"));
    let lost = || Err(Fault::new(Next::CursorLost, "ErrorInvalidSyncStateData"));
    let played = play(holding(&[&a]), vec![lost(), page("n1", vec![]), view(&[&b]), found(&[&b])]);
    assert_eq!(played.said(), "changes:c0, changes, view, items b, key, commit");
    assert_eq!(played.events(), "create delete");
    assert!(!played.commits[0].resent && played.commits[0].cursor.is_some());
    let twice = play(holding(&[&a]), vec![lost(), lost()]);
    assert_eq!(twice.end.unwrap().unwrap_err().next, Next::CursorLost);
    let elsewhere = play(holding(&[&a]), vec![page("c1", vec![upsert("x")]), lost()]);
    assert!(elsewhere.end.unwrap().is_err(), "only the feed has a cursor");
}

#[test]
fn a_resend_sends_what_did_not_change_with_higher_sequences() {
    let (a, b) = (meeting("a", "a"), meeting("b", "b"));
    let before = holding(&[&a, &b]).but(|loaded| loaded.resend = true);
    let highest = before.loaded.sequence;
    let played = play(
        before,
        vec![page("c1", vec![upsert("a")]), found(&[&a]), view(&[&a, &b]), found(&[&b])],
    );
    assert_eq!(played.said(), "changes:c0, items a, key, view, items b, commit");
    assert_eq!(played.events(), "update update complete");
    let events = &played.commits[0].events;
    assert!(events.iter().all(|event| event.sequence > highest));
    let first = format!("{:020}", highest + 1);
    assert!(events[2].data.json().contains(&first), "{:?}", events[2].data.json());
}

#[test]
fn a_new_day_compares_the_window_and_reads_only_what_differs() {
    let (a, b, c) = (meeting("a", "a"), meeting("b", "b"), meeting("c", "c"));
    let yesterday = Window { from: window().from - Span::DAY, to: window().to - Span::DAY };
    let before = holding(&[&a, &b]).but(|loaded| loaded.window = Some(yesterday));
    let changed = Meeting { version: "2".into(), subject: Plain::new("X"), ..a.clone() };
    let played =
        play(before, vec![page("c1", vec![]), view(&[&changed, &b, &c]), found(&[&changed, &c])]);
    assert_eq!(played.said(), "changes:c0, view, items a c, key, commit");
    assert_eq!(played.commits[0].window, Some(window()));
    let mut kinds: Vec<_> = played.commits[0].events.iter().map(|e| e.kind).collect();
    kinds.sort_by_key(|kind| *kind as u8);
    assert_eq!(kinds, [EventKind::Create, EventKind::Update]);
}

#[test]
fn answers_that_do_not_fit_end_the_pass() {
    let a = meeting("a", "a");
    let short =
        play(holding(&[&a]), vec![page("c1", vec![upsert("a"), upsert("b")]), found(&[&a])]);
    assert!(matches!(short.end.unwrap().unwrap_err().next, Next::Retry { .. }));
    let other = play(holding(&[&a]), vec![view(&[&a])]);
    assert_eq!(other.end.unwrap().unwrap_err().next, Next::Refused);
}

#[test]
fn a_long_listing_is_committed_in_parts_without_the_cursor() {
    let all: Vec<Meeting> = (0..150).map(|n| meeting(&format!("m{n}"), &format!("m{n}"))).collect();
    let old = meeting("old", "old");
    let mut answers = vec![page("c1", vec![]), view(&all.iter().collect::<Vec<_>>())];
    for chunk in all.chunks(ITEMS_PER_ASK) {
        answers.push(found(&chunk.iter().collect::<Vec<_>>()));
    }
    let before = holding(&[&old]).but(|loaded| loaded.window = None);
    let played = play(before.clone(), answers.clone());
    assert_eq!(played.end, Some(Ok(false)));
    let parts: Vec<_> =
        played.commits.iter().map(|c| (c.rows.len(), c.cursor.is_some(), c.window)).collect();
    assert_eq!(parts, [(120, false, None), (30, true, Some(window()))]);
    let dropped: Vec<_> = played.commits.iter().map(|commit| commit.dropped.len()).collect();
    assert_eq!(dropped, [0, 1], "nothing is withdrawn before everything is read");
    // The connector dies between the two: what is on the disk is read again from the old cursor.
    let died = Played { commits: played.commits[..1].to_vec(), ..Played::default() };
    let half = died.stored(before);
    let rest: Vec<&Meeting> = all[120..].iter().collect();
    let view_all = view(&all.iter().collect::<Vec<_>>());
    let again = play(half, vec![page("c1", vec![]), view_all, found(&rest)]);
    assert_eq!(again.end, Some(Ok(false)), "{:?}", again.steps);
    assert_eq!(again.commits[0].rows.len(), 30);
    assert!(again.events().ends_with("delete"));
}

#[test]
fn a_feed_without_end_gives_the_slot_back() {
    let a = meeting("a", "a");
    let answers = (1..200).map(|n| more(&format!("c{n}"), vec![])).collect();
    let played = play(holding(&[&a]), answers);
    assert_eq!(played.end, Some(Ok(true)));
    assert_eq!(played.commits.len(), crate::pipeline::limits::PAGES_PER_PASS);
}

#[test]
fn a_server_that_keeps_naming_masters_does_not_hold_the_pass() {
    let a = occurrence("s", 0);
    let mut answers = vec![page("c1", vec![upsert("s")]), master("s")];
    for _ in 0..20 {
        answers.push(view(&[&a]));
        answers.push(master("s"));
    }
    let played = play(holding(&[]), answers);
    assert!(played.end.unwrap().is_err());
}

#[test]
fn a_store_of_another_installation_is_refused() {
    let other = Installation::new(&[9; 32]).unwrap();
    let cursor = other.stash_cursor(&Cursor("c".into())).unwrap();
    let played = play(Loaded { cursor: Some(cursor), ..fresh() }, vec![]);
    assert_eq!(played.end.unwrap().unwrap_err().next, Next::Refused);
}

#[test]
fn nothing_of_a_meeting_is_in_a_commit() {
    let a = meeting("uid-secret", "item-secret");
    let played = play(fresh(), vec![page("cursor-secret", vec![]), view(&[&a]), found(&[&a])]);
    let shown = format!("{:?}", played.commits);
    let said: String = played.commits[0].events.iter().map(|e| e.data.json().to_string()).collect();
    for canary in ["secret", "Budget", "Room 5", "Ada", "corp.example"] {
        assert!(!shown.contains(canary) && !said.contains(canary), "{canary}");
    }
}
