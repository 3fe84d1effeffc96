//! Organisers, guests, a cloud and a connector that is killed: what an invitation asks for in the
//! end is what stands in it.

use proptest::prelude::*;

use super::decoration_tests::{DETAILS, START, URL, attend, decorate, id_of, meeting, record};
use super::desk::Input;
use super::play::{Mailbox, Play};
use super::*;
use crate::model::InvitationKind;
use crate::pipeline::keyword::Mark as Written;
use crate::pipeline::pace::Dice;
use crate::pipeline::samples::{NOON, cases, installation, item, user};

/// A guest answers, the organiser writes more: neither changes what is asked for.
fn others_write(mailbox: &mut Mailbox, dice: &mut Dice) {
    let Some(own) = &mut mailbox.own else { return };
    own.version = format!("{}.", own.version).into();
    if dice.below(2) == 0 {
        let text = own.body.text.reveal().replace("Agenda", "Agenda, more");
        own.body.text = Plain::new(text);
    }
}

/// The organiser thinks better of it.
fn keyword_goes(mailbox: &mut Mailbox, dice: &mut Dice) {
    others_write(mailbox, dice);
    let Some(own) = &mut mailbox.own else { return };
    if own.location.reveal().contains('@') && dice.below(3) == 0 {
        own.location = Plain::new("Room 5");
    }
}

proptest! {
    #![proptest_config(cases(400))]

    /// Whatever is lost, late or killed, and whoever writes meanwhile: the details stand there
    /// once, with everything that was written, and the guests had one mail.
    #[test]
    fn an_invitation_is_decorated_exactly_once(
        seed: u64,
        trouble in 0..120usize,
        series: bool,
    ) {
        let (part, kind) = match series {
            true => (Part::Series, InvitationKind::Series),
            false => (Part::Single, InvitationKind::Single),
        };
        let own = Invitation { kind, ..meeting("Room 5; @webex") };
        let id = id_of(&own);
        let mut play = Play::new(seed, vec![decorate(1, &id, Ok(DETAILS))]);
        play.mailbox.own = Some(own);
        play.edit = Some(others_write);
        let mut play = play.run(trouble);
        prop_assert_eq!(&play.mailbox.updates, &[Notify::All]);
        prop_assert_eq!(play.told.len(), 1);
        prop_assert!(play.outcome(0).contains("done"));
        prop_assert_eq!(&*play.mark().unwrap().request, &*id);
        prop_assert_eq!(play.body().matches("Agenda").count(), 1);
        prop_assert_eq!(play.body().matches("id=\"calway-join\"").count(), 1);
        // Taken out again with as much trouble.
        let own = play.mailbox.own.as_mut().unwrap();
        own.location = Plain::new("Room 5");
        let more = own.body.text.reveal().matches(", more").count();
        (play.mailbox.updates, play.disk) = (Vec::new(), vec![attend(2, part)]);
        play.begin();
        let play = play.run(trouble);
        prop_assert_eq!(&play.mailbox.updates, &[Notify::All]);
        prop_assert_eq!(play.told.len(), 1);
        let bare = play.body().replace(", more", "");
        let before = meeting("").body.text;
        prop_assert_eq!(bare.as_str(), before.reveal());
        prop_assert!(play.body().matches(", more").count() >= more);
    }

    /// Whenever the organiser takes the keyword out: either the details were written before, or
    /// nothing was, and nobody had a mail.
    #[test]
    fn what_is_not_asked_for_any_more_is_not_written(seed: u64, trouble in 0..120usize) {
        let own = meeting("Room 5; @webex");
        let id = id_of(&own);
        let mut play = Play::new(seed, vec![decorate(1, &id, Ok(DETAILS))]);
        play.mailbox.own = Some(own);
        play.edit = Some(keyword_goes);
        let play = play.run(trouble);
        prop_assert_eq!(play.told.len(), 1);
        let written = play.mailbox.updates.len();
        prop_assert_eq!(play.outcome(0).contains("done"), written == 1, "{}", play.outcome(0));
        prop_assert_eq!(play.outcome(0).contains("refused"), written == 0);
        prop_assert_eq!(play.body().contains(URL), written == 1);
    }

    /// The cloud is asked once, whatever is lost or killed.
    #[test]
    fn what_was_noticed_is_asked_for_once(seed: u64, trouble in 0..120usize) {
        let mut play = Play::new(seed, vec![attend(1, Part::Single)]);
        play.mailbox.own = Some(meeting("Room 5 @webex"));
        play.edit = Some(others_write);
        let play = play.run(trouble);
        prop_assert_eq!(play.told.len(), 1);
        prop_assert_eq!(play.told[0].kind, EventKind::Decorate);
        prop_assert_eq!(play.mailbox.updates.len(), 0);
    }
}

/// All that is around the errands: an organiser, whatever reads the calendar, and the cloud.
struct World {
    play: Play,
    /// The tag that the row of the meeting has.
    asked: Option<crate::pipeline::seal::Tag>,
    rows: i64,
    /// What the cloud was told, as far as it looked.
    heard: usize,
    /// Requests that it has not answered yet.
    open: Vec<String>,
    /// What the organiser wants, and how often that was another thing.
    wish: Option<&'static str>,
    wishes: usize,
}

impl World {
    fn new(seed: u64) -> Self {
        let mut play = Play::new(seed, Vec::new());
        play.mailbox.own = Some(meeting("Room 5"));
        let (heard, open) = (0, Vec::new());
        Self { play, asked: None, rows: 0, heard, open, wish: None, wishes: 0 }
    }

    fn file(&mut self, mut filed: Filed) {
        // As the store does: one may be under way, so there is a second place.
        let places = [filed.id.clone(), CommandId::new(format!("{}+", filed.id))];
        let free = |id: &CommandId| self.play.disk.iter().all(|one| one.id != *id);
        let Some(id) = places.into_iter().find(free) else { return };
        filed.id = id;
        self.rows += 1;
        filed.row = self.rows;
        self.play.disk.push(filed.clone());
        self.play.desk.handle(self.play.clock, Input::Filed(vec![filed]));
    }

    /// The organiser writes another place; what stood there before goes.
    fn write_place(&mut self) {
        let which = self.play.dice.below(3);
        let (place, wish) =
            [("Room 5", None), ("Room 5 @webex", Some("webex")), ("@meet; Room 5", Some("meet"))]
                [which as usize];
        let Some(own) = &mut self.play.mailbox.own else { return };
        own.version = format!("{}!", own.version).into();
        own.location = Plain::new(place);
        (self.wish, self.wishes) = (wish, self.wishes + 1);
    }

    /// What a pass does: sees that there is something to look at, once for each place and mark.
    fn read_calendar(&mut self) {
        let own = self.play.own().clone();
        let mark = own.mark.as_ref().and_then(|mark| Written::parse(mark.reveal()));
        let asks = Rules::default().showing.keywords.find(&own.location).is_some();
        let lost = mark.as_ref().is_some_and(|mark| !mark.stands_in(&own.location));
        let before = mark.as_ref().map_or(0, |mark| mark.before).to_be_bytes();
        let request = mark.map(|mark| mark.request).unwrap_or_default();
        let parts = [own.location.reveal().as_bytes(), request.as_bytes(), &before];
        let tag = (asks || lost).then(|| installation().tag(&parts));
        if self.asked != tag
            && let Some(tag) = tag
        {
            let one = Noticed {
                item: item("a"),
                record: record(),
                part: Part::Single,
                start: START,
                conference: false,
            };
            let (id, body) = file(&one, &installation(), tag).unwrap();
            let (kind, stage) = (ErrandKind::Attend, Stage::Accepted);
            self.file(Filed { row: 0, id, user: user(1), kind, stage, body, born: NOON });
        }
        self.asked = tag;
    }

    /// The cloud hears what it is asked, and answers when it likes.
    fn answer(&mut self) {
        for told in &self.play.results()[self.heard..] {
            if told.get("calendarDecorateRequest").is_some() {
                self.open.push(told["calendarDecorateRequest"].to_string());
            }
        }
        self.heard = self.play.told.len();
        if self.open.is_empty() || self.play.one_in(3) {
            return;
        }
        let asked: serde_json::Value = serde_json::from_str(&self.open.remove(0)).unwrap();
        let word = asked["keyword"].as_str().unwrap();
        let details = DETAILS.replace("ada", word);
        let row = self.rows + 1;
        self.file(decorate(row, asked["requestId"].as_str().unwrap(), Ok(&details)));
    }
}

proptest! {
    #![proptest_config(cases(400))]

    /// However often the organiser thinks again, and whatever is lost, late or killed meanwhile:
    /// in the end the invitation says what was wanted last, and each wish cost one mail at most.
    #[test]
    fn in_the_end_an_invitation_has_what_its_organiser_wants(seed: u64, trouble in 0..400usize) {
        wishes(seed, trouble)?;
    }
}

/// The disk said that it failed, and had written: what was filed under the same id in between is
/// not ended by a second try.
#[test]
fn what_is_noticed_anew_is_not_ended_by_what_was_noticed_before() {
    wishes(12_499_451_526_505_458_230, 248).unwrap();
}

fn wishes(seed: u64, trouble: usize) -> Result<(), TestCaseError> {
    let mut world = World::new(seed);
    for n in 0..20_000 {
        world.play.calm = n >= trouble;
        if world.play.one_in(25) {
            world.write_place();
        }
        world.read_calendar();
        world.answer();
        let idle = !world.play.step() && world.play.disk.is_empty();
        if idle && world.play.calm && world.open.is_empty() {
            world.read_calendar();
            if world.play.disk.is_empty() && world.heard == world.play.told.len() {
                break;
            }
        }
    }
    let (play, before) = (&world.play, meeting("").body.text);
    prop_assert_eq!(&play.disk, &vec![]);
    prop_assert!(play.mailbox.updates.len() <= world.wishes);
    match world.wish {
        None => {
            prop_assert_eq!(play.body(), before.reveal());
            prop_assert_eq!((play.mark(), play.own().location.reveal()), (None, "Room 5"));
        }
        Some(word) => {
            let url = format!("https://meet.example/{word}");
            prop_assert!(play.own().location.reveal().contains(&url), "{:?}", world.wish);
            prop_assert!(play.body().contains(&url));
            prop_assert_eq!(play.body().matches("id=\"calway-join\"").count(), 1);
            prop_assert_eq!(&*play.mark().unwrap().keyword, word);
        }
    }
    Ok(())
}
