//! Invitations that ask for join details, and get them: asked once, written once, told once.

#[path = "series_tests.rs"]
mod series;

use super::noticed;
use super::play::{Play, invitation};
use super::tests::UID;
use super::*;
use crate::model::{
    Answer as Answered, Body, InvitationKind, Participant, ParticipantKind, ParticipantRole,
    Sensitivity, Span, Wanted, Wish,
};
use crate::pipeline::decorate::OwnTexts;
use crate::pipeline::keyword::Mark as Written;
use crate::pipeline::samples::{NOON, installation, item, person, user};
use crate::pipeline::seal::Tag;
use crate::pipeline::showing::{Private, Showing};

pub const START: Time = Time::from_ms(NOON.as_ms() + 86_400_000);
pub const URL: &str = "https://meet.example/ada";
pub const DETAILS: &str =
    r#"{"kind":"myroom","url":"https://meet.example/ada","number":"2551 204"}"#;

pub fn record() -> RecordKey {
    installation().record_key(&user(1), &Plain::new(UID), None)
}

/// An own meeting with a guest, and this place.
pub fn meeting(place: &str) -> Invitation {
    let ben = Participant {
        person: person("Ben", "ben@corp.example"),
        kind: ParticipantKind::Person,
        role: ParticipantRole::Required,
        answer: Answered::None,
    };
    Invitation {
        mine: true,
        location: Plain::new(place),
        body: Body { text: Plain::new("<html><body><p>Agenda</p></body></html>"), html: true },
        participants: vec![ben],
        ..invitation(Answered::Organizer)
    }
}

pub fn attend(row: i64, part: Part) -> Filed {
    let record = match part {
        Part::Exception => installation().record_key(&user(1), &Plain::new(UID), Some(START)),
        _ => record(),
    };
    let one = Noticed { item: item("a"), record, part, start: START, conference: false };
    let (id, body) = file(&one, &installation(), Tag([row as u8; 16])).unwrap();
    let (kind, stage) = (ErrandKind::Attend, Stage::Accepted);
    Filed { row, id, user: user(1), kind, stage, body, born: NOON }
}

/// The id that a meeting as it is now is asked for by.
pub fn id_of(own: &Invitation) -> Arc<str> {
    let asked = Rules::default().showing.keywords.find(&own.location).unwrap();
    judge::request_id(&installation(), &record(), &asked, own)
}

pub fn decorate(row: i64, request: &str, details: Result<&str, &str>) -> Filed {
    let what = Wanted::Decorate {
        request: request.into(),
        id: record(),
        start: START,
        reason: details.err().map(Arc::from),
    };
    let opened: Vec<_> = details.ok().into_iter().map(Plain::new).collect();
    let wish = Wish { user: user(1), what, sealed: Vec::new(), key: None };
    super::tests::filed(row, (wish, opened))
}

fn play(own: Invitation, disk: Vec<Filed>) -> Play {
    let mut play = Play::new(1, disk);
    play.mailbox.own = Some(own);
    play
}

/// The meeting with the answer to its request, without trouble.
fn decorated(own: Invitation) -> Play {
    let id = id_of(&own);
    play(own, vec![decorate(1, &id, Ok(DETAILS))]).run(0)
}

impl Play {
    pub fn own(&self) -> &Invitation {
        self.mailbox.own.as_ref().unwrap()
    }

    pub fn body(&self) -> &str {
        self.own().body.text.reveal()
    }

    pub fn mark(&self) -> Option<Written> {
        Written::parse(self.own().mark.as_ref()?.reveal())
    }

    pub fn outcome(&self, n: usize) -> String {
        let said = &self.results()[n]["commandResult"];
        format!("{} {}", said["outcome"], said["reason"])
    }

    fn remarks(&self) -> Vec<&Remark> {
        let of = self.notes.iter().filter_map(|note| match note {
            desk::Note::Remark(.., remark) => Some(remark),
            _ => None,
        });
        of.collect()
    }
}

#[test]
fn the_cloud_is_asked_for_what_the_place_asks_and_hears_nothing_readable() {
    let own = Invitation { language: "fr-CH".into(), ..meeting("Room 5 @webex:space") };
    let play = play(own.clone(), vec![attend(1, Part::Single)]).run(0);
    assert_eq!(play.told.len(), 1);
    assert_eq!((play.told[0].kind, play.mailbox.updates.len()), (EventKind::Decorate, 0));
    assert_eq!(play.told[0].key.as_str(), format!("decorate:{}", record()));
    let told = &play.results()[0]["calendarDecorateRequest"];
    for (member, value) in [
        ("requestId", &*id_of(&own)),
        ("id", record().as_str()),
        ("seriesId", record().as_str()),
        ("start", "2027-01-16T12:00:00Z"),
        ("keyword", "webex"),
        ("mode", "space"),
        ("language", "fr"),
        ("encryptionKeyUrl", "kms://kms.example/keys/today"),
        ("encryptedSubject", "jwe:tegduB"),
    ] {
        assert_eq!(told[member], value, "{member}");
    }
    assert_eq!((&told["durationMinutes"], &told["isRecurring"]), (&60.into(), &false.into()));
    let ben = &told["encryptedParticipants"][0];
    assert_eq!(ben["encryptedEmailAddress"], "jwe:elpmaxe.proc@neb");
    for word in ["Budget", "Room", "Agenda", "ben@", "Ben"] {
        assert!(!play.told[0].data.json().contains(word), "{word}");
    }
}

#[test]
fn what_is_asked_for_has_one_id_as_long_as_it_is_the_same() {
    let id = |change: fn(&mut Invitation)| {
        let mut own = meeting("Room 5 @webex");
        change(&mut own);
        id_of(&own)
    };
    let same = id(|_| {});
    assert_eq!(id(|own| own.location = Plain::new("@WebEx:myroom")), same);
    assert_eq!(id(|own| own.version = "9".into()), same);
    assert_eq!(id(|own| own.invitees = 9), same);
    let others = [
        id(|own| own.location = Plain::new("@webex:space")),
        id(|own| own.location = Plain::new("@meet:myroom")),
        id(|own| own.subject = Plain::new("Budget 2")),
        id(|own| own.start = own.start + Span::MINUTE),
        id(|own| own.end = own.end + Span::MINUTE),
    ];
    assert!(others.iter().all(|other| *other != same));
}

#[test]
fn a_private_meeting_is_asked_for_without_its_words() {
    let showing = Arc::new(Showing { private: Private::Times, ..Showing::default() });
    let own = Invitation { sensitivity: Sensitivity::Private, ..meeting("@webex") };
    let mut play = play(own, vec![attend(1, Part::Single)]);
    play.rules = Rules { showing, ..Rules::default() };
    play.begin();
    let play = play.run(0);
    let told = &play.results()[0]["calendarDecorateRequest"];
    assert_eq!(told["mode"], "myroom");
    assert!(told.get("encryptedSubject").is_none());
    assert!(told.get("encryptedParticipants").is_none());
}

#[test]
fn the_details_are_written_and_whoever_was_invited_is_told_once() {
    let play = decorated(meeting("Room 5; @webex"));
    assert_eq!(play.mailbox.updates, [Notify::All]);
    assert_eq!(play.own().location.reveal(), format!("Room 5; {URL}"));
    assert!(play.body().contains("Agenda") && play.body().contains("2551 204"));
    assert!(play.body().contains(r#"lang="de""#), "the mailbox's language");
    let mark = play.mark().unwrap();
    assert_eq!((mark.meeting, &*mark.keyword), (record(), "webex"));
    let said = &play.results()[0]["commandResult"];
    assert_eq!((&said["outcome"], &said["type"]), (&"done".into(), &"meeting.decorate".into()));
    assert_eq!((said["id"].as_str(), play.told.len()), (Some(record().as_str()), 1));
    assert_eq!(play.remarks(), [] as [&Remark; 0]);
}

#[test]
fn nobody_is_told_of_what_nobody_was_invited_to() {
    let alone = Invitation { invited: false, invitees: 0, ..meeting("@webex") };
    assert_eq!(decorated(alone).mailbox.updates, [Notify::Nobody]);
    let unsent = Invitation { invited: false, ..meeting("@webex") };
    assert_eq!(decorated(unsent).mailbox.updates, [Notify::Nobody]);
}

#[test]
fn the_same_answer_again_and_a_second_look_change_nothing() {
    let mut play = decorated(meeting("Room 5 @webex"));
    let request = play.mark().unwrap().request;
    play.disk = vec![decorate(2, &request, Ok(DETAILS)), attend(3, Part::Single)];
    play.begin();
    let play = play.run(0);
    assert_eq!((play.mailbox.updates.len(), play.told.len()), (1, 2));
    assert!(play.outcome(1).contains("done"));
}

#[test]
fn an_answer_to_what_nobody_asks_any_more_is_refused() {
    for (place, why) in [
        ("Room 5", "nothing is asked for any more"),
        ("@webex:space", "something else is asked for by now"),
        ("@meet", "something else is asked for by now"),
    ] {
        let id = id_of(&meeting("@webex"));
        let play = play(meeting(place), vec![decorate(1, &id, Ok(DETAILS))]).run(0);
        assert!(play.outcome(0).contains("refused") && play.outcome(0).contains(why), "{place}");
        assert_eq!((play.mailbox.updates.len(), play.own().location.reveal()), (0, place));
    }
}

#[test]
fn a_meeting_that_may_not_be_written_into_is_refused_by_name() {
    let over = Some(NOON);
    for (own, name) in [
        (Invitation { cancelled: true, ..meeting("@webex") }, "cancelled"),
        (Invitation { last_end: over, ..meeting("@webex") }, "past"),
        (Invitation { invitees: 1_501, ..meeting("@webex") }, "too-many-invitees"),
        (meeting("@webex https://zoom.us/j/123456789"), "already-joinable"),
        (
            Invitation {
                conference: Plain::new("https://zoom.us/j/123456789"),
                ..meeting("@webex")
            },
            "already-joinable",
        ),
    ] {
        let id = id_of(&own);
        let both = vec![decorate(1, &id, Ok(DETAILS)), attend(2, Part::Single)];
        let play = play(own, both).run(0);
        assert_eq!((play.mailbox.updates.len(), play.told.len()), (0, 1), "{name}");
        assert!(play.outcome(0).contains("refused"));
        let remarks = play.remarks();
        assert_eq!(remarks.len(), 2, "{name}");
        for remark in remarks {
            assert!(matches!(remark, Remark::Refused(why) if why.name() == name), "{name}");
        }
    }
    let play = play(Invitation { mine: false, ..meeting("@webex") }, vec![attend(1, Part::Single)]);
    let play = play.run(0);
    assert_eq!((play.told.len(), play.remarks().len()), (0, 0), "a guest's copy by nature has it");
}

#[test]
fn a_refusal_of_the_cloud_is_named_and_takes_nobodys_time() {
    let own = meeting("@webex");
    let play = play(own, vec![decorate(1, "r", Err("no licence"))]).run(0);
    assert!(play.outcome(0).contains("done"));
    assert_eq!(play.remarks(), [&Remark::Refused(Why::Cloud("no licence".into()))]);
    assert!(play.mailbox.asked.is_empty());
}

#[test]
fn another_keyword_replaces_the_details_and_a_place_without_them_loses_them() {
    let mut play = decorated(meeting("Room 5; @webex"));
    play.mailbox.own.as_mut().unwrap().location = Plain::new("Room 5; @meet");
    let id = id_of(play.own());
    let other = DETAILS.replace("ada", "space-1");
    play.disk = vec![decorate(2, &id, Ok(&other))];
    play.begin();
    let mut play = play.run(0);
    assert!(!play.body().contains(URL) && play.body().contains("https://meet.example/space-1"));
    assert_eq!(play.body().matches("Agenda").count(), 1);
    play.mailbox.own.as_mut().unwrap().location = Plain::new("Room 5");
    play.disk = vec![attend(3, Part::Single)];
    play.begin();
    let play = play.run(0);
    assert_eq!(play.own().body, meeting("").body);
    assert_eq!((play.mark(), play.own().location.reveal()), (None, "Room 5"));
    assert_eq!((play.mailbox.updates.len(), play.told.len()), (3, 2), "and no word to the cloud");
}

#[test]
fn a_body_that_somebody_edited_is_remarked_upon() {
    let mut play = decorated(meeting("@webex"));
    let own = play.mailbox.own.as_mut().unwrap();
    let text = own.body.text.reveal().replace("2551 204", "2551 204</p><p>Ring Eve</p><p>");
    (own.body.text, own.location) = (Plain::new(text), Plain::new("Room 5"));
    play.disk = vec![attend(2, Part::Single)];
    play.begin();
    let play = play.run(0);
    assert!(play.body().contains("Ring Eve") && !play.body().contains(URL));
    assert!(matches!(play.remarks()[..], [Remark::Edited(found)] if found.edited == 1));
}

#[test]
fn a_body_that_is_not_whole_is_left_alone_and_named() {
    for filed in [attend(1, Part::Single), decorate(1, &id_of(&meeting("@webex")), Ok(DETAILS))] {
        let mut play = play(meeting("@webex"), vec![filed]);
        play.calm = true;
        for _ in 0..20 {
            for output in play.desk.drain() {
                match output {
                    Output::Ask(ticket, _, Ask::Read(..)) => {
                        let no = Fault::refused("the body is longer than 8 MiB");
                        let no = Err(WriteFault::NoEffect(no));
                        play.desk.handle(play.clock, desk::Input::Answered(ticket, no));
                    }
                    output => play.carry_out(output),
                }
            }
            play.step();
        }
        assert_eq!((play.disk.len(), play.mailbox.updates.len()), (0, 0));
        assert!(matches!(play.remarks()[..], [Remark::Refused(why)] if why.name() == "unreadable"));
    }
}

#[test]
fn details_that_are_wrong_are_refused_by_their_member_and_never_repeated() {
    for (details, member) in [
        ("Kolibri", "join details"),
        ("{}", "url"),
        (r#"{"url": "Kolibri"}"#, "url"),
        (r#"{"url": "https://a.example", "phones": [{"number": "Kolibri"}]}"#, "phones[0].number"),
    ] {
        let what =
            Wanted::Decorate { request: "r".into(), id: record(), start: START, reason: None };
        let wish = Wish { user: user(1), what, sealed: vec![String::new()], key: None };
        let why = accept(&wish, &[Plain::new(details)], &installation()).unwrap().unwrap_err();
        assert!(why.contains(member) && !why.contains("olibri"), "{why}");
    }
    let filed = decorate(1, "r", Ok(DETAILS));
    assert!(!filed.body.0.windows(8).any(|bytes| bytes == b"meet.exa"));
    assert!(noticed::open(&filed.body, &installation()).is_err());
}

#[test]
fn what_somebody_asked_for_goes_before_what_was_noticed() {
    let mut disk: Vec<_> = (1..=9).map(|n| attend(n, Part::Single)).collect();
    disk.push(decorate(10, "r", Err("no")));
    let mut desk = Desk::new(installation(), Rules::default(), 1);
    let now = crate::pipeline::samples::now;
    desk.handle(now(0), desk::Input::Added(user(1), super::tests::ada()));
    desk.handle(now(0), desk::Input::Filed(disk));
    let outputs = desk.drain();
    let asks = outputs.iter().filter(|one| matches!(one, Output::Ask(..))).count();
    assert_eq!(asks, 1, "of one mailbox one after the other");
    assert!(outputs.iter().any(|one| matches!(one, Output::Advance(..))), "and beside them");
    // One that fails lets the next one go.
    let Some(Output::Ask(first, _, Ask::Read(..))) =
        outputs.into_iter().find(|one| matches!(one, Output::Ask(..)))
    else {
        panic!()
    };
    let ill = WriteFault::NoEffect(Fault::retry("ErrorInternalServerError"));
    desk.handle(now(0), desk::Input::Answered(first, Err(ill)));
    assert!(matches!(desk.drain()[..], [Output::Ask(next, ..)] if next != first));
}

#[test]
fn the_organisations_own_words_stand_in_it() {
    let own =
        crate::pipeline::decorate::OwnText { header: "Werk Nord".into(), ..Default::default() };
    let texts = OwnTexts::new(None, [("de".to_owned(), own)]).unwrap();
    let own = meeting("@webex");
    let id = id_of(&own);
    let mut play = play(own, vec![decorate(1, &id, Ok(DETAILS))]);
    play.rules.texts = Arc::new(texts);
    play.begin();
    assert!(play.run(0).body().contains("Werk Nord"));
}
