//! Keywords in invitations, with the real program between the lab's Exchange and cloud: who asks in
//! an invitation's place gets join details into it, once, and nothing else of it changes.

mod changed;
mod doubt;
mod refused;
mod series;
mod unseen;
mod written;

use calway_lab::cloud::{DecorateRequest, Decorating, Reply};
use calway_lab::exchange::{Attendee, Draft, ItemId};
use calway_lab::stage::Options;

use crate::edits::in_hours;
use crate::house::{ALICE, BOB, House, talkative, within};

const TITLE: &str = "Fusion Kolibri-Strandläufer";
const PLACE: &str = "Zimmer Pirol";
const AGENDA: &str =
    "Eisvogel bringt die Zahlen mit.\r\n\r\n-- \r\nAlice Archer\r\nDurchwahl 4711\r\n";

/// Every address that the lab's cloud gives begins with this.
const MEET: &str = "https://meet.lab.example/";
/// Alice's own room there.
const ROOM: &str = "https://meet.lab.example/myroom/useralice?pwd=p7Kq";
/// What our first line in a body looks like.
const FIRST_LINE: &str = "v-=-=-=-=-=-=-=-=-=";

/// The house with a cloud that answers every request.
struct Scene {
    house: House,
    _standing: Option<Decorating>,
}

impl Scene {
    async fn begin() -> Self {
        Self::with(talkative()).await
    }

    async fn with(options: Options) -> Self {
        let house = House::active(options).await;
        let standing = house.stage.cloud.decorate_all(|request| Ok(request.details()));
        Self { house, _standing: Some(standing) }
    }

    /// The same, but nobody answers.
    async fn unanswered() -> Self {
        Self { house: House::active(talkative()).await, _standing: None }
    }

    fn create(&self, draft: Draft) -> ItemId {
        self.house.calendars().create(ALICE.1, draft)
    }

    /// The organiser's own.
    fn own(&self, id: &ItemId) -> Draft {
        self.house.calendars().read(ALICE.1, id).expect("it is there")
    }

    /// What the guest has of it.
    fn copy(&self, id: &ItemId) -> Draft {
        let calendars = self.house.calendars();
        let uid = calendars.uid(ALICE.1, id).expect("it is there");
        let copy = calendars.find(BOB.1, &uid).expect("the guest has a copy");
        calendars.read(BOB.1, &copy).expect("the guest has a copy")
    }

    /// How often the guest was mailed about it by what the connector did.
    fn mails(&self, id: &ItemId) -> usize {
        let uid = self.house.calendars().uid(ALICE.1, id).expect("it is there");
        self.house.calendars().mails_to(BOB.1, &uid)
    }

    /// How often anything was written into a calendar.
    fn writes(&self) -> u64 {
        self.house.stage.exchange.log().count("UpdateItem")
    }

    async fn requests(&self) -> Vec<DecorateRequest> {
        self.house.stage.cloud.decorate_requests(ALICE.0).await
    }

    /// Waits for as many requests of the organiser; the last one.
    async fn request(&self, count: usize) -> DecorateRequest {
        let cloud = self.house.stage.cloud.clone();
        let kind = "calendar.decorate.request";
        within(cloud.wait(|view| view.reports_of(ALICE.0, kind).len() >= count)).await;
        self.requests().await.pop().expect("there is one")
    }

    /// Waits until join details stand in an invitation.
    async fn decorated(&self, id: &ItemId) -> Draft {
        self.house.until("it is decorated", |_| is_decorated(&self.own(id))).await;
        self.own(id)
    }

    /// Waits until everything that happened so far has been dealt with: what is edited now was
    /// read, and so was all before, and a command that comes after that was answered.
    async fn quiet(&self) {
        let cloud = &self.house.stage.cloud;
        for who in [ALICE, BOB] {
            let before = cloud.view(|view| view.live(who.0));
            self.house.meet(who, "Ein Meilenstein", 200);
            within(cloud.wait(|view| view.live(who.0) > before)).await;
            let (id, start) = ("nothing-has-this-id".into(), utc(in_hours(200)));
            let response = "ACCEPTED".into();
            let reply = Reply { id, start, response, comment: String::new(), notify: None };
            let command = cloud.respond(who.0, &reply).await;
            assert_eq!(within(cloud.result(&command)).await.outcome, "refused");
        }
    }

    /// Each guest was told of it so often, and so often something was written.
    async fn told_and_wrote(&self, id: &ItemId, mails: usize, writes: u64) {
        self.quiet().await;
        let seen = (self.mails(id), self.writes());
        assert_eq!(seen, (mails, writes), "{}", self.house.log());
    }
}

/// On a quarter of an hour, so many hours from now.
fn utc(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).unwrap().to_string()
}

/// A meeting to which Bob is invited, with a text and this place.
fn invitation(place: &str) -> Draft {
    let guest = Attendee::required(BOB.1, BOB.2);
    Draft::meeting(TITLE, in_hours(5), 30).at(place).text(AGENDA).invite(guest)
}

fn is_decorated(draft: &Draft) -> bool {
    draft.location.contains(MEET) && draft.body.contains(FIRST_LINE)
}

/// What was put into a text. Everything else of it is as it was, byte for byte.
fn inserted(before: &str, after: &str) -> String {
    let (before, after) = (before.as_bytes(), after.as_bytes());
    let start = before.iter().zip(after).take_while(|(one, other)| one == other).count();
    let rest = &before[start..];
    let as_it_was = after.len() >= before.len() && after.ends_with(rest);
    let shown = |text: &[u8]| String::from_utf8_lossy(text).into_owned();
    assert!(as_it_was, "before:\n{}\nafter:\n{}", shown(before), shown(after));
    shown(&after[start..after.len() - rest.len()])
}
