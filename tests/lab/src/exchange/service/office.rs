//! The scripted side of what surrounds the calendars: mail, absence, languages.

use super::calendars::Calendars;
use super::letters::{About, INBOX, Letter};
use super::mailbox::Mailbox;
use super::oof::Oof;
use super::ops::Hours;

/// A message that the server sent because of an EWS request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
    /// `IPM.Schedule.Meeting.Request` and so on.
    pub class: String,
    /// The meeting.
    pub uid: String,
    /// The title.
    pub subject: String,
    /// When the one occurrence that it is about was to begin, UTC milliseconds.
    pub original_start_ms: Option<i64>,
}

/// A meeting message in somebody's inbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ShownMail {
    /// `IPM.Schedule.Meeting.Request` and so on.
    pub class: String,
    /// The title.
    pub subject: String,
    /// The sender's address.
    pub from: String,
    /// The meeting.
    pub uid: String,
    /// When the one occurrence that it is about was to begin, UTC milliseconds.
    pub original_start_ms: Option<i64>,
    /// UTC milliseconds.
    pub start_ms: i64,
    /// UTC milliseconds.
    pub end_ms: i64,
    /// The place.
    pub location: String,
    /// The body of the meeting, or the words of an answer.
    pub body: String,
    /// Whether the body is HTML.
    pub body_html: bool,
    /// `MeetingRequestType`: `NewMeetingRequest`, `FullUpdate`, `InformationalUpdate`, or
    /// `Outdated` by a newer one; `None` for what is no request.
    pub request_type: String,
}

impl Calendars {
    /// What was sent because of EWS requests, oldest first. What a script does sends nothing.
    pub fn mails(&self) -> Vec<Mail> {
        self.world().mails.clone()
    }

    /// How often what was sent because of EWS requests went to this address about this meeting.
    pub fn mails_to(&self, address: &str, uid: &str) -> usize {
        let world = self.world();
        let about = world.mails.iter().filter(|mail| mail.uid == uid);
        about.filter(|mail| mail.to.iter().any(|to| to.eq_ignore_ascii_case(address))).count()
    }

    /// The meeting messages in an inbox, oldest first.
    pub fn inbox(&self, address: &str) -> Vec<ShownMail> {
        let world = self.world();
        let mailbox = world.here(address).and_then(|number| world.mailbox(number));
        mailbox.map(|own| own.letters(INBOX).map(|one| shown(one)).collect()).unwrap_or_default()
    }

    /// What the mailbox answers while its owner is away.
    pub fn oof(&self, address: &str) -> Option<Oof> {
        let world = self.world();
        Some(world.mailbox(world.here(address)?)?.oof())
    }

    /// The owner goes away, or comes back.
    pub fn set_oof(&self, address: &str, oof: Oof) {
        self.change(address, |mailbox| mailbox.set_oof(oof));
    }

    /// The language of the mailbox, such as `de-DE`; new items are in it, and its own folders are
    /// named in it, where the lab knows the names.
    pub fn set_culture(&self, address: &str, culture: &str) {
        self.change(address, |mailbox| mailbox.culture = Some(culture.into()));
    }

    /// When the owner works: on these days (`Monday Tuesday`), from and to these minutes of a day.
    pub fn set_working_hours(&self, address: &str, days: &str, from: u16, to: u16) {
        let hours = Hours { days: days.to_owned(), from, to };
        self.change(address, |mailbox| mailbox.hours = Some(Box::new(hours)));
    }

    /// GetUserAvailability answers with this code for the mailbox, or as usual again.
    pub fn spoil_free_busy(&self, address: &str, code: Option<&str>) {
        self.change(address, |mailbox| mailbox.free_busy_error = code.map(Into::into));
    }

    fn change(&self, address: &str, change: impl FnOnce(&mut Mailbox)) {
        let mut world = self.world();
        if let Some(number) = world.number(address)
            && let Some(mailbox) = world.mailbox_mut(number)
        {
            change(mailbox);
        }
    }
}

fn shown(letter: &Letter) -> ShownMail {
    let about = letter.shown();
    let (body, body_html) = match (letter.about, &letter.comment) {
        (About::Answer(_), comment) => comment.clone().unwrap_or_default(),
        _ => (about.draft.body.clone(), about.draft.body_html),
    };
    ShownMail {
        class: letter.about.class().to_owned(),
        subject: letter.subject(),
        from: letter.from.address.clone(),
        uid: letter.item.uid.to_string(),
        original_start_ms: letter.original_ms(),
        start_ms: about.start_ms,
        end_ms: about.end_ms,
        location: about.draft.location.clone(),
        body,
        body_html,
        request_type: letter.request_type().to_owned(),
    }
}
