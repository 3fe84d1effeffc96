//! What errands ask, tell and refuse.

use super::play::{Mailbox, Play, invitation};
use super::*;
use crate::model::{Answer as Answered, BusyType, Engagement, KeyUri, Span, Wanted, When, Wish};
use crate::pipeline::command::NO_LONGER_ACTIVE;
use crate::pipeline::samples::{NOON, installation, key, now, user};

pub const UID: &str = "040000008200E00074C5B7101A82E008";

pub fn ada() -> Arc<Address> {
    Arc::new(Address::parse("ada@corp.example").unwrap())
}

pub fn wish(what: Wanted, sealed: &[&str]) -> (Wish, Vec<Plain>) {
    let opened = sealed.iter().map(|text| Plain::new(*text)).collect();
    let key = Some(KeyUri::new("kms://kms.example/keys/1"));
    (Wish { user: user(1), what, sealed: vec![String::new(); sealed.len()], key }, opened)
}

pub fn filed(row: i64, (wish, opened): (Wish, Vec<Plain>)) -> Filed {
    let (kind, body) = accept(&wish, &opened, &installation()).unwrap().unwrap();
    let id = CommandId::new(format!("c-{row}"));
    Filed { row, id, user: wish.user, kind, stage: Stage::Accepted, body, born: NOON }
}

const MEETING: &str = r#"{"subject": "Budget", "notes": "Bring numbers", "location": "Room 5",
    "attendees": [{"email": "ben@corp.example", "name": "Ben", "type": "OPTIONAL"}],
    "timeZone": "Europe/Berlin"}"#;

pub fn create(when: When) -> (Wish, Vec<Plain>) {
    wish(Wanted::Create { when, minutes: 30 }, &[MEETING])
}

pub fn respond(response: Response) -> (Wish, Vec<Plain>) {
    let id = installation().record_key(&user(1), &Plain::new(UID), None);
    let (start, notify) = (NOON + Span::DAY, Notify::All);
    wish(Wanted::Respond { id, start, response, notify }, &["With pleasure"])
}

pub fn question(emails: &[&str]) -> (Wish, Vec<Plain>) {
    let window = BusyWindow { from: NOON, to: NOON + Span::HOUR.times(2), interval_minutes: 30 };
    wish(Wanted::FreeBusy { request: "q-1".into(), window }, emails)
}

#[test]
fn an_accepted_meeting_is_sent_as_it_was_wanted_and_told_by_its_record() {
    let mut play = Play::new(1, vec![filed(1, create(When::At(NOON)))]);
    play.calm = true;
    let mut sent = Vec::new();
    for _ in 0..100 {
        let outputs = play.desk.drain();
        sent.extend(outputs.iter().filter_map(|output| match output {
            Output::Ask(_, _, Ask::Create(meeting, mark)) => Some((meeting.clone(), mark.clone())),
            _ => None,
        }));
        outputs.into_iter().for_each(|output| play.carry_out(output));
        play.step();
    }
    let [(meeting, mark)] = &sent[..] else { panic!("{} were sent", sent.len()) };
    assert_eq!((meeting.subject.reveal(), meeting.location.reveal()), ("Budget", "Room 5"));
    assert_eq!((meeting.start, meeting.end), (NOON, NOON + Span::MINUTE.times(30)));
    assert_eq!(meeting.body.text.reveal(), "Bring numbers");
    assert_eq!(meeting.zone.as_deref(), Some("Europe/Berlin"));
    assert_eq!(meeting.invitees[0].address.reveal(), "ben@corp.example");
    assert!(mark.len() == 32 && !mark.contains("c-1"), "{mark}");
    let key = installation().record_key(&user(1), &Plain::new(UID), None);
    let told = &play.results()[0]["commandResult"];
    assert_eq!((&told["id"], &told["type"]), (&key.as_str().into(), &"meeting.create".into()));
    assert_eq!(told["start"], "2027-01-15T12:00:00Z");
}

/// When a question is given up whose server fails, in seconds, and how often that is said before;
/// after half a minute the time of day jumps.
fn given_up(jump: impl Fn(Time) -> Time) -> (u64, u32) {
    let now = |second| {
        let now = now(second);
        Now { wall: if second > 30 { jump(now.wall) } else { now.wall }, ..now }
    };
    let mut desk = Desk::new(installation(), Rules::default(), 1);
    desk.handle(now(0), Input::Added(user(1), ada()));
    desk.handle(now(0), Input::Filed(vec![filed(1, question(&["ben@corp.example"]))]));
    let (mut waits, mut ended) = (0, None);
    for second in 1..2_000 {
        for output in desk.drain() {
            match output {
                Output::Ask(ticket, ..) => {
                    let away = WriteFault::NoEffect(Fault::retry("503"));
                    desk.handle(now(second), Input::Answered(ticket, Err(away)));
                }
                Output::Advance(_, advance) => ended = ended.or(Some((second, advance))),
                Output::Note(Note::Waits(_, id, fault)) => {
                    assert_eq!((id.as_str(), fault.to_string().as_str()), ("c-1", "503"));
                    waits += 1;
                }
                Output::Note(_) => {}
            }
        }
        desk.handle(now(second), Input::Tick);
    }
    let (after, advance) = ended.expect("it ends");
    assert!(advance.done && advance.told[0].data.json().contains("given up"));
    (after, waits)
}

#[test]
fn what_fails_on_and_on_is_named_once_and_a_question_is_given_up_in_time() {
    let (after, waits) = given_up(|wall| wall);
    assert!((600..800).contains(&after), "{after}");
    assert_eq!(waits, 1);
}

#[test]
fn what_waited_for_a_user_who_is_active_no_more_is_told_to_be_over() {
    let mut desk = Desk::new(installation(), Rules::default(), 1);
    desk.handle(now(0), Input::Added(user(1), ada()));
    let all =
        vec![filed(1, question(&["ben@corp.example"])), filed(2, respond(Response::Accepted))];
    desk.handle(now(0), Input::Filed(all));
    let mut waits = Vec::new();
    for second in 1..600 {
        for output in desk.drain() {
            match output {
                Output::Ask(ticket, ..) => {
                    let away = WriteFault::NoEffect(Fault::retry("503"));
                    desk.handle(now(second), Input::Answered(ticket, Err(away)));
                }
                Output::Note(Note::Waits(_, id, _)) => waits.push(id),
                _ => {}
            }
        }
        desk.handle(now(second), Input::Tick);
    }
    assert_eq!(waits.len(), 2);
    desk.drain();
    desk.handle(now(600), Input::Removed(user(1)));
    let ended = |output| match output {
        Output::Note(Note::Ended(of, id, _, how)) if of == user(1) => Some((id, how)),
        _ => None,
    };
    let mut ended: Vec<_> = desk.drain().into_iter().filter_map(ended).collect();
    ended.sort();
    waits.sort();
    assert_eq!(ended.iter().map(|(id, _)| id.clone()).collect::<Vec<_>>(), waits);
    assert!(ended.iter().all(|(_, how)| how.contains(NO_LONGER_ACTIVE)), "{ended:?}");
}

#[test]
fn a_clock_that_jumps_by_a_day_takes_nobodys_time_away_and_gives_none() {
    let usual = given_up(|wall| wall);
    assert_eq!(given_up(|wall| wall + Span::DAY), usual);
    assert_eq!(given_up(|wall| wall - Span::DAY.times(2)), usual);
}

#[test]
fn what_works_on_the_way_makes_nobody_ask_a_failing_server_each_second() {
    let mut desk = Desk::new(installation(), Rules::default(), 1);
    desk.handle(now(0), Input::Added(user(1), ada()));
    desk.handle(now(0), Input::Filed(vec![filed(1, respond(Response::Accepted))]));
    let (mailbox, mut reads, mut waits) = (Mailbox::default(), 0, 0);
    for second in 1..3_600 {
        for output in desk.drain() {
            match output {
                Output::Ask(ticket, _, ask) => {
                    let fails = matches!(ask, Ask::Read(..));
                    reads += usize::from(fails);
                    let ill =
                        || Err(WriteFault::NoEffect(Fault::retry("ErrorInternalServerError")));
                    let answer = if fails { ill() } else { Ok(mailbox.read(&ask)) };
                    desk.handle(now(second), Input::Answered(ticket, answer));
                }
                Output::Note(Note::Waits(..)) => waits += 1,
                _ => {}
            }
        }
        desk.handle(now(second), Input::Tick);
    }
    assert!((20..60).contains(&reads), "{reads} in an hour");
    assert_eq!(waits, 1, "and somebody hears of it");
}

#[test]
fn a_question_is_answered_for_each_mailbox_and_names_nobody_in_the_clear() {
    let emails = ["ben@corp.example", "cas@corp.example", "dan@corp.example"];
    let mut desk = Desk::new(installation(), Rules::default(), 1);
    desk.handle(now(0), Input::Added(user(1), ada()));
    desk.handle(now(0), Input::Filed(vec![filed(1, question(&emails))]));
    let Some(Output::Ask(ticket, _, Ask::FreeBusy(all, _))) = desk.drain().pop() else { panic!() };
    assert_eq!(all.len(), 3);
    let busy = Engagement {
        start: NOON + Span::MINUTE.times(40),
        end: NOON + Span::MINUTE.times(70),
        busy: BusyType::Busy,
    };
    let seen = vec![
        Ok(FreeBusy { engagements: vec![busy], ..FreeBusy::default() }),
        Err(Fault::new(Next::Gone, "ErrorMailRecipientNotFound")),
        Err(Fault::retry("ErrorTimeoutExpired")),
    ];
    desk.handle(now(1), Input::Answered(ticket, Ok(Answer::FreeBusy(seen))));
    desk.handle(now(9), Input::Tick);
    let Some(Output::Ask(ticket, _, Ask::FreeBusy(again, _))) = desk.drain().pop() else {
        panic!("who may be seen later is asked for again")
    };
    assert_eq!(again, vec![Arc::new(Address::parse(emails[2]).unwrap())], "and nobody else");
    let free = FreeBusy { merged: Some("0012".into()), ..FreeBusy::default() };
    desk.handle(now(10), Input::Answered(ticket, Ok(Answer::FreeBusy(vec![Ok(free)]))));
    let Some(Output::Ask(ticket, _, Ask::Key)) = desk.drain().pop() else { panic!() };
    desk.handle(now(11), Input::Answered(ticket, Ok(Answer::Key(key("today")))));
    let told = desk.drain().into_iter().find_map(|output| match output {
        Output::Advance(_, advance) => Some(advance.told[0].clone()),
        _ => None,
    });
    let told = told.unwrap();
    assert!(!told.data.json().contains("corp.example"));
    let json: serde_json::Value = serde_json::from_str(told.data.json()).unwrap();
    let said = &json["calendarFreeBusyScheduleResponse"];
    assert_eq!((&said["requestId"], &said["commandId"]), (&"q-1".into(), &"c-1".into()));
    let items = said["calendarFreeBusyItems"].as_array().unwrap();
    let digits: Vec<_> = items.iter().map(|one| (&one["outcome"], &one["merged"])).collect();
    let null = serde_json::Value::Null;
    let expected = [("ok", "0220".into()), ("unknown", null), ("ok", "0012".into())];
    for ((outcome, merged), (is, are)) in digits.iter().zip(&expected) {
        assert_eq!((outcome.as_str(), *merged), (Some(*is), are));
    }
    assert_eq!(items[0]["items"][0]["busyType"], "BUSY");
}

#[test]
fn a_refusal_that_left_doubt_is_looked_after_and_then_told() {
    for made in [false, true] {
        let mut play = Play::new(1, vec![filed(1, create(When::At(NOON)))]);
        play.calm = true;
        let mut sent = 0;
        for _ in 0..100 {
            for output in play.desk.drain() {
                match output {
                    Output::Ask(ticket, _, ask @ Ask::Create(..)) => {
                        sent += 1;
                        if made {
                            play.mailbox.take_effect(&ask);
                        }
                        let no = Fault::refused("ErrorInvalidRecipients");
                        let answer = Err(WriteFault::InDoubt(no));
                        play.desk.handle(play.clock, Input::Answered(ticket, answer));
                    }
                    output => play.carry_out(output),
                }
            }
            play.step();
        }
        let told = &play.results()[0]["commandResult"];
        assert_eq!((sent, &told["outcome"]), (1, &(if made { "done" } else { "failed" }).into()));
        assert!(play.clock.mono.since(now(0).mono) >= WriteFault::SETTLED_AFTER);
    }
}

#[test]
fn what_the_organiser_or_nobody_can_answer_is_refused() {
    let play = |change: fn(&mut Invitation), there: bool| {
        let mut desk = Desk::new(installation(), Rules::default(), 1);
        desk.handle(now(0), Input::Added(user(1), ada()));
        desk.handle(now(0), Input::Filed(vec![filed(1, respond(Response::Accepted))]));
        let mailbox = Mailbox::default();
        for second in 1..9 {
            for output in desk.drain() {
                match output {
                    Output::Ask(ticket, _, Ask::Read(..)) => {
                        let mut meeting = invitation(Answered::None);
                        change(&mut meeting);
                        let answer = Answer::Read(there.then(|| Box::new(meeting)));
                        desk.handle(now(second), Input::Answered(ticket, Ok(answer)));
                    }
                    Output::Ask(ticket, _, ask) => {
                        assert!(!matches!(ask, Ask::Respond { .. }));
                        let answer = Ok(mailbox.read(&ask));
                        desk.handle(now(second), Input::Answered(ticket, answer));
                    }
                    Output::Advance(_, advance) => {
                        let said: serde_json::Value =
                            serde_json::from_str(advance.told[0].data.json()).unwrap();
                        return said["commandResult"]["outcome"].clone();
                    }
                    Output::Note(_) => {}
                }
            }
        }
        panic!("it does not end")
    };
    assert_eq!(play(|meeting| meeting.mine = true, true), "refused");
    assert_eq!(play(|meeting| meeting.cancelled = true, true), "refused");
    assert_eq!(play(|_| {}, false), "refused");
    assert_eq!(play(|meeting| meeting.answer = Answered::Accepted, true), "done");
}

#[test]
fn whose_server_rests_waits_and_nobody_elses_does_and_places_are_few() {
    let mut desk = Desk::new(installation(), Rules::default(), 1);
    for n in 1..=9 {
        let one = Filed { user: user(n), ..filed(n as i64, create(When::At(NOON))) };
        desk.handle(now(0), Input::Added(user(n), ada()));
        desk.handle(now(0), Input::Filed(vec![one]));
    }
    let mut tickets = Vec::new();
    for _ in 0..9 {
        for output in desk.drain() {
            match output {
                Output::Advance(ticket, _) => {
                    desk.handle(now(0), Input::Advanced(ticket, Ok(true)))
                }
                Output::Ask(ticket, ..) => tickets.push(ticket),
                Output::Note(_) => {}
            }
        }
    }
    assert_eq!(tickets.len(), crate::pipeline::limits::ERRANDS_AT_ONCE);
    let rest = Next::BackOff { after: Some(Span::from_secs(40)) };
    let busy = WriteFault::NoEffect(Fault::new(rest, "ErrorServerBusy"));
    let resting: Vec<_> = (1..=tickets.len()).map(user).collect();
    // What only asks does not either: its mailbox is on the same server.
    let asking = Filed { user: user(1), ..filed(20, question(&["ben@corp.example"])) };
    desk.handle(now(0), Input::Filed(vec![asking]));
    for ticket in tickets {
        desk.handle(now(1), Input::Answered(ticket, Err(busy.clone())));
    }
    let mut asked = std::collections::BTreeSet::new();
    for second in 2..40 {
        for output in desk.drain() {
            match output {
                Output::Ask(ticket, user, _) => {
                    asked.insert(user);
                    let late = Err(WriteFault::NoEffect(Fault::retry("later")));
                    desk.handle(now(second), Input::Answered(ticket, late));
                }
                Output::Advance(ticket, _) => {
                    desk.handle(now(second), Input::Advanced(ticket, Ok(true)));
                }
                Output::Note(_) => {}
            }
        }
        desk.handle(now(second), Input::Tick);
    }
    assert!(resting.iter().all(|user| !asked.contains(user)), "{asked:?}");
    assert_eq!(asked.len(), 9 - resting.len(), "others may be on another server");
    desk.handle(now(120), Input::Tick);
    let asks = desk.drain().into_iter().filter(|one| matches!(one, Output::Ask(..))).count();
    assert_eq!(asks, crate::pipeline::limits::ERRANDS_AT_ONCE);
}

/// No earlier life has made it.
fn recall(desk: &mut Desk) {
    let Some(Output::Ask(ticket, _, Ask::Created(_))) = desk.drain().pop() else { panic!() };
    desk.handle(now(1), Input::Answered(ticket, Ok(Answer::Created(None))));
}

#[test]
fn a_command_that_comes_again_after_the_disk_was_lost_makes_no_second_meeting() {
    let mut play = Play::new(1, vec![filed(1, create(When::At(NOON)))]).run(0);
    assert_eq!((play.mailbox.made.len(), play.told.len()), (1, 1));
    play.disk = vec![filed(1, create(When::At(NOON)))];
    play.begin();
    let play = play.run(0);
    assert_eq!((play.mailbox.made.len(), play.told.len()), (1, 2));
    assert_eq!(play.results()[1]["commandResult"]["outcome"], "done");
}

#[test]
fn nothing_is_done_for_whom_nobody_activated_or_who_went_meanwhile() {
    let mut desk = Desk::new(installation(), Rules::default(), 1);
    desk.handle(now(0), Input::Filed(vec![filed(1, create(When::At(NOON)))]));
    assert_eq!((desk.drain(), desk.wake_at()), (vec![], None));
    desk.handle(now(0), Input::Added(user(1), ada()));
    desk.handle(now(0), Input::Filed(vec![filed(1, create(When::At(NOON)))]));
    recall(&mut desk);
    let Some(Output::Advance(ticket, _)) = desk.drain().pop() else { panic!() };
    // The disk dropped it with its user.
    desk.handle(now(1), Input::Advanced(ticket, Ok(false)));
    let ended = |id: &str| {
        let (id, how) = (CommandId::new(id), format!("refused: {NO_LONGER_ACTIVE}"));
        vec![Output::Note(Note::Ended(user(1), id, "meeting.create", how))]
    };
    assert_eq!((desk.drain(), desk.wake_at()), (ended("c-1"), None));
    desk.handle(now(1), Input::Filed(vec![filed(2, create(When::At(NOON)))]));
    recall(&mut desk);
    let Some(Output::Advance(ticket, _)) = desk.drain().pop() else { panic!() };
    desk.handle(now(2), Input::Removed(user(1)));
    desk.handle(now(3), Input::Advanced(ticket, Ok(true)));
    assert_eq!((desk.drain(), desk.wake_at()), (ended("c-2"), None));
}

#[test]
fn what_makes_no_sense_is_refused_by_its_member_and_never_repeated() {
    let what = || Wanted::Create { when: When::At(NOON), minutes: 30 };
    let refused = |json: &str| {
        let (wish, opened) = wish(what(), &[json]);
        accept(&wish, &opened, &installation()).unwrap().unwrap_err()
    };
    for (json, member) in [
        ("[]", "encryptedMeeting"),
        ("Kolibri", "encryptedMeeting"),
        (r#"{"subject": 7}"#, "subject"),
        (r#"{"attendees": "Kolibri"}"#, "attendees"),
        (r#"{"attendees": [{"email": "Kolibri"}]}"#, "email"),
        (r#"{"attendees": [{"email": "a@b.example", "type": "Kolibri"}]}"#, "type"),
        (r#"{"keyword": "Kol ibri"}"#, "keyword"),
    ] {
        let why = refused(json);
        assert!(why.contains(member) && !why.contains("olibri"), "{why}");
    }
    let (bad, opened) = question(&["Kolibri"]);
    let why = accept(&bad, &opened, &installation()).unwrap().unwrap_err();
    assert!(why.contains("emails") && !why.contains("Kolibri"), "{why}");
    let (good, opened) = create(When::At(NOON));
    let (_, body) = accept(&good, &opened, &installation()).unwrap().unwrap();
    for word in ["Budget", "Bring", "ben@"] {
        assert!(!body.0.windows(word.len()).any(|bytes| bytes == word.as_bytes()));
    }
}
