//! Inputs in any order, also such that no peer should send.

use proptest::prelude::*;

use super::*;
use crate::model::ItemId;
use crate::pipeline::samples::cases;

fn fault(n: u8) -> Fault {
    let after = Some(Span::from_secs(u64::from(n)));
    let next = match n % 10 {
        0 => Next::Retry { after },
        1 => Next::BackOff { after },
        2 => Next::CursorLost,
        3 => Next::SignIn,
        4 => Next::Denied,
        5 => Next::Gone,
        6 => Next::Refused,
        7 => Next::KeyLost,
        8 => Next::Moved,
        _ => Next::Retry { after: None },
    };
    Fault::new(next, "x")
}

fn got(n: u8) -> Result<Got, Fault> {
    let one = meeting("a", "a");
    match n % 7 {
        0 => nothing_new(),
        1 => {
            let changes = vec![Change::Upsert(one.item), Change::Delete(ItemId("b".into()))];
            Ok(Got::Page(Page { changes, cursor: Cursor("d".into()), last: n.is_multiple_of(2) }))
        }
        2 => Ok(Got::Items(vec![Found::Meeting(Box::new(one))])),
        3 => Ok(Got::View(vec![crate::pipeline::samples::entry(&one)].into())),
        4 => Ok(Got::Committed),
        5 => Ok(Got::Items(Vec::new())),
        _ => Err(fault(n / 7)),
    }
}

/// An input of any kind, for one of the last tickets, mailboxes and streams.
fn input(kind: u8, n: u8, which: u64) -> Input {
    let hint = |user| match n % 3 {
        0 => Hint::Listening(user),
        1 => Hint::Changed(user),
        _ => Hint::Refused(user, fault(n / 3)),
    };
    let of = user(usize::from(n % 5));
    let keyed = |ok: bool| {
        if ok { Ok((ResourceUri::new("r"), key("k"))) } else { Err(fault(n)) }
    };
    match kind % 14 {
        0 | 1 => Input::Added(of),
        2 => Input::Removed(of),
        3 => Input::Stirred(of),
        4 => Input::Hint(which % 7, hint(of)),
        5 => {
            let ends = [ListenEnd::RollOver, ListenEnd::Stopped, ListenEnd::Failed(fault(n))];
            Input::Ended(which % 7, ends[usize::from(n % 3)].clone())
        }
        6 | 7 => Input::Loaded(which, if n < 200 { Ok(Some(known())) } else { Ok(None) }),
        8 => {
            let home = |n: u8| match n % 5 {
                4 => Err(fault(n)),
                _ => Ok(home(&format!("{}", n % 2))),
            };
            Input::Homes(which, (0..n % 7).map(|i| home(n / 7 + i)).collect())
        }
        9 | 10 => Input::Got(which, got(n)),
        11 => Input::Keyed(which, keyed(n.is_multiple_of(2))),
        12 => Input::Committed(which, if n < 180 { Ok(n < 90) } else { Err(fault(n)) }),
        13 if n.is_multiple_of(3) => Input::WayChanged,
        13 if n.is_multiple_of(2) => Input::TrustChanged,
        _ => Input::SecretChanged,
    }
}

proptest! {
    #![proptest_config(cases(150))]

    #[test]
    fn no_order_of_inputs_breaks_the_bounds(
        steps in prop::collection::vec((any::<u8>(), any::<u8>(), 0_u64..4, 0_u64..90), 1..250),
    ) {
        let mut desk = Desk::new(3, 2);
        let mut last = 0;
        for (kind, n, back, seconds) in steps {
            desk.put(input(kind, n, u64::saturating_sub(last, back)));
            desk.later(Span::from_secs(seconds));
            prop_assert!(desk.fleet.asking() <= 3);
            prop_assert!(desk.fleet.wake_at(desk.now) > desk.now.mono);
            let census = desk.fleet.census();
            let sum = census.streaming + census.polling + census.failing;
            prop_assert!(census.active <= 5 && sum == census.active, "{census:?}");
            for want in desk.wants.drain(..) {
                if let Output::Load(ticket, ..)
                | Output::Homes(ticket, ..)
                | Output::Ask(ticket, ..)
                | Output::Key(ticket, ..)
                | Output::Commit(ticket, _) = want
                {
                    last = ticket;
                }
            }
        }
    }
}

#[test]
fn answers_to_nobody_change_nothing() {
    let mut desk = Desk::new(2, 2);
    desk.settle(1);
    for ticket in [0, 7, 1_000_000] {
        desk.put(Input::Loaded(ticket, Ok(None)));
        desk.put(Input::Homes(ticket, vec![Ok(home("g"))]));
        desk.put(Input::Got(ticket, nothing_new()));
        desk.put(Input::Keyed(ticket, Err(Fault::retry("x"))));
        desk.put(Input::Committed(ticket, Ok(true)));
    }
    desk.put(Input::Hint(99, Hint::Listening(user(0))));
    desk.put(Input::Ended(99, ListenEnd::RollOver));
    desk.put(Input::Removed(user(77)));
    let census = desk.fleet.census();
    assert_eq!((census.active, census.streaming, desk.fleet.running()), (1, 0, 0));
}
