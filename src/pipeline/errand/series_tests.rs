//! Series that ask for join details, and those of them that were changed by themselves.

use super::*;

#[test]
fn a_series_is_found_by_whichever_of_its_occurrences_is_left() {
    let first = START - Span::DAY.times(7);
    let series = |at| Invitation {
        kind: InvitationKind::Series,
        start: at,
        end: at + Span::HOUR,
        last_end: None,
        ..meeting("@webex")
    };
    // The occurrence that was named is not there any more, another one is.
    for at in [START, START + Span::DAY.times(7), first] {
        assert!(decorated(series(at)).outcome(0).contains("done"));
    }
    let gone = decorated(series(START + Span::DAY.times(40)));
    assert!(gone.outcome(0).contains("no such meeting"));
}

#[test]
fn a_series_is_asked_for_by_what_its_occurrences_show() {
    let series = Invitation { kind: InvitationKind::Series, ..meeting("@webex") };
    let id = id_of(&series);
    let day = Span::DAY;
    let later = Invitation { start: series.start + day, end: series.end + day, ..series.clone() };
    assert_eq!(id_of(&later), id, "nobody would notice that its first one is another day");
    let longer = Invitation { end: series.end + Span::HOUR, ..series.clone() };
    assert_ne!(id_of(&longer), id);
    let single = |shift: Span| {
        let own = meeting("@webex");
        id_of(&Invitation { start: own.start + shift, end: own.end + shift, ..own })
    };
    assert_ne!(single(day), single(Span::HOUR));
}

#[test]
fn the_occurrence_by_which_a_series_was_noticed_may_be_gone() {
    let mut desk = Desk::new(installation(), Rules::default(), 1);
    let now = crate::pipeline::samples::now;
    let asked = |desk: &mut Desk| match desk.drain().pop() {
        Some(Output::Ask(ticket, _, ask)) => (ticket, ask),
        other => panic!("{other:?}"),
    };
    desk.handle(now(0), desk::Input::Added(user(1), super::tests::ada()));
    desk.handle(now(0), desk::Input::Filed(vec![attend(1, Part::Series)]));
    let (ticket, _) = asked(&mut desk);
    desk.handle(now(0), desk::Input::Answered(ticket, Ok(Answer::Read(None))));
    let (ticket, view) = asked(&mut desk);
    let start = START + Span::DAY.times(7);
    assert!(matches!(view, Ask::View(from, to) if from < START && to > start), "{view:?}");
    let left = Entry {
        item: item("left"),
        version: "1".into(),
        uid: Plain::new(UID),
        recurring: true,
        start,
        end: start + Span::HOUR,
    };
    let listing = Answer::View(Listing::from(vec![left]));
    desk.handle(now(0), desk::Input::Answered(ticket, Ok(listing)));
    let (ticket, read) = asked(&mut desk);
    assert_eq!(read, Ask::Read(item("left"), Reach::Series));
    let series = Invitation { kind: InvitationKind::Series, ..meeting("@webex") };
    let read = Answer::Read(Some(Box::new(series)));
    desk.handle(now(0), desk::Input::Answered(ticket, Ok(read)));
    assert_eq!(asked(&mut desk).1, Ask::Language);
}

#[test]
fn what_was_changed_by_itself_waits_for_its_series() {
    let exception = vec![attend(1, Part::Exception)];
    let series = Invitation { kind: InvitationKind::Series, ..meeting("@webex") };
    // It may be alone in the window: then nobody else saw that its series asks.
    let asked = play(series.clone(), exception.clone()).run(0);
    let request = &asked.results()[0]["calendarDecorateRequest"];
    assert_eq!((asked.told.len(), &request["id"]), (1, &record().as_str().into()));
    assert_eq!(request["requestId"], *id_of(&series), "as any other of the series would ask");
    assert_eq!(asked.anew, [Tag([1; 16])], "and it is noticed anew after that");
    // The series asks for nothing; the simulated mailbox shows the one for the other.
    let mut desk = Desk::new(installation(), Rules::default(), 1);
    let now = crate::pipeline::samples::now;
    desk.handle(now(0), desk::Input::Added(user(1), super::tests::ada()));
    desk.handle(now(0), desk::Input::Filed(exception));
    let mut read = Vec::new();
    for place in ["Room 5", "Room 6 @webex"] {
        let Some(Output::Ask(ticket, _, Ask::Read(_, reach))) = desk.drain().pop() else {
            panic!()
        };
        read.push(reach);
        let one = Answer::Read(Some(Box::new(meeting(place))));
        desk.handle(now(1), desk::Input::Answered(ticket, Ok(one)));
    }
    assert_eq!(read, [Reach::Series, Reach::Item]);
    assert!(matches!(desk.drain().pop(), Some(Output::Ask(_, _, Ask::Language))));
}
