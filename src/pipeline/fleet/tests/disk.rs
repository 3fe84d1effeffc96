//! A disk that can be read and takes nothing.

use super::*;

/// More than may have begun before the first commit is answered.
const MAILBOXES: usize = 200;

/// What they wanted, each with a meeting that the cloud does not know.
#[derive(Debug, Default)]
struct Wanted {
    loads: usize,
    /// Who asked Exchange, in the order of the requests.
    asks: Vec<UserId>,
    /// Whose records were taken.
    taken: Vec<UserId>,
    notes: Vec<Note>,
}

impl Desk {
    /// Grants everything that is wanted now; the disk takes a commit, or is full. Answers come only
    /// when all that goes on at once has asked.
    fn grant(&mut self, wanted: &mut Wanted, is_full: bool) {
        loop {
            self.house();
            wanted.notes.extend(self.noted());
            let wants = std::mem::take(&mut self.wants);
            if wants.is_empty() {
                return;
            }
            for want in wants {
                if let Some(answer) = wanted.answer(want, is_full) {
                    self.put(answer);
                }
            }
        }
    }
}

impl Wanted {
    fn answer(&mut self, want: Output, is_full: bool) -> Option<Input> {
        Some(match want {
            Output::Load(ticket, ..) => {
                self.loads += 1;
                Input::Loaded(ticket, Ok(Some(known())))
            }
            // Polled, as nobody tells of it.
            Output::Ask(ticket, user, _) if self.taken.contains(&user) => {
                Input::Got(ticket, nothing_new())
            }
            Output::Ask(ticket, user, ask) => {
                let item = ItemId(user.as_str().into());
                self.asks.push(user.clone());
                let changes = vec![Change::Upsert(item)];
                let page = Page { changes, cursor: Cursor("d".into()), last: true };
                let one = || meeting(user.as_str(), user.as_str());
                Input::Got(
                    ticket,
                    Ok(match ask {
                        Ask::Changes(_) => Got::Page(page),
                        Ask::Items(_) => Got::Items(vec![Found::Meeting(Box::new(one()))]),
                        Ask::View(_) => panic!("the window is known"),
                    }),
                )
            }
            Output::Key(ticket, ..) => Input::Keyed(ticket, Ok((ResourceUri::new("r"), key("k")))),
            Output::Commit(ticket, _) if is_full => {
                Input::Committed(ticket, Err(Fault::retry("store: database or disk is full")))
            }
            Output::Commit(ticket, commit) => {
                assert_eq!(commit.events.len(), 1, "its meeting");
                self.taken.push(commit.user.clone());
                Input::Committed(ticket, Ok(true))
            }
            Output::Listen(..) | Output::Join(..) | Output::Leave(..) | Output::Hush(_) => {
                return None;
            }
            other => panic!("{other:?}"),
        })
    }
}

#[test]
fn promise_1_and_4_a_disk_that_takes_nothing_is_tried_by_one_who_alone_reads_from_exchange() {
    let mut desk = Desk::new(4, 4);
    for n in 0..MAILBOXES {
        desk.put(Input::Added(user(n)));
    }
    // Those who had begun before it was known; each reads a page and an item.
    let mut first = Wanted::default();
    desk.grant(&mut first, true);
    let begun = first.loads;
    assert!(begun <= limits::ASIDE + 4 && first.asks.len() == 2 * begun, "{first:?}");
    let mut wanted = Wanted::default();
    for _ in 0..600 {
        desk.later(Span::SECOND);
        let before = wanted.asks.len();
        desk.grant(&mut wanted, true);
        let asked = &wanted.asks[before..];
        assert!(asked.len() <= 2 && asked.windows(2).all(|two| two[0] == two[1]), "{asked:?}");
    }
    // After 5, 10, 20 and 40 seconds, and each minute from then on.
    assert!((10..=16).contains(&wanted.loads), "{} tries in ten minutes", wanted.loads);
    assert_eq!(wanted.asks.len(), 2 * wanted.loads, "asked of Exchange in ten minutes");
    assert!(wanted.taken.is_empty());
    let notes: Vec<_> = first.notes.iter().chain(&wanted.notes).collect();
    assert!(notes.iter().all(|note| matches!(note, Note::StoreFails(_))), "{notes:?}");
    assert!(notes.len() <= begun + wanted.loads);

    // With room again nobody has to do anything.
    let mut healed = Wanted::default();
    for _ in 0..90 {
        desk.later(Span::SECOND);
        desk.grant(&mut healed, false);
    }
    healed.taken.sort();
    assert_eq!(healed.taken, (0..MAILBOXES).map(user).collect::<Vec<_>>(), "each once, none lost");
    assert_eq!(healed.asks.len(), 2 * MAILBOXES);
    let relayed = |note: &Note| matches!(note, Note::Relayed(..));
    assert!(healed.notes.len() == MAILBOXES && healed.notes.iter().all(relayed));
    assert_eq!(desk.fleet.census().failing, 0);
}
