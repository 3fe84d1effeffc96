//! What the server mails to people.

use std::sync::Arc;

use super::calendars::MailboxKind;
use super::draft::Response;
use super::item::{Item, Person};
use super::letters::{About, INBOX, Letter, SENT_ITEMS};
use super::meetings::Heard;
use super::office::Mail;
use super::world::World;

/// One message on its way.
struct Mailing {
    about: About,
    item: Arc<Item>,
    original_ms: Option<i64>,
    comment: Option<(String, bool)>,
    save_copy: bool,
}

/// An answer to a meeting.
pub(super) struct Answer {
    pub(super) original_ms: Option<i64>,
    pub(super) response: Response,
    /// Words with it, and whether they are HTML.
    pub(super) comment: Option<(String, bool)>,
}

impl World {
    /// Mails what people have to hear because of an EWS request; a copy stays with the sender if
    /// the request wants one.
    pub(super) fn send(&mut self, from: usize, heard: &Heard, save_copy: bool) {
        let Some(item) = &heard.item else { return };
        let significant = heard.significant;
        for (to, about) in [
            (&heard.invited, About::Request { new: false, significant }),
            (&heard.cancelled, About::Cancellation),
        ] {
            if !to.is_empty() {
                let (item, original_ms) = (item.clone(), heard.original_ms);
                let mailing = Mailing { about, item, original_ms, comment: None, save_copy };
                self.post(from, to, mailing);
            }
        }
    }

    /// Mails an answer to the organiser.
    pub(super) fn reply(&mut self, from: usize, item: Arc<Item>, answer: Answer, save_copy: bool) {
        let Answer { original_ms, response, comment } = answer;
        let to = [item.organizer.address.clone()];
        let about = About::Answer(response);
        self.post(from, &to, Mailing { about, item, original_ms, comment, save_copy });
    }

    fn post(&mut self, from: usize, to: &[String], mailing: Mailing) {
        let Mailing { about, item, original_ms, comment, save_copy } = mailing;
        let Some(sender) = self.person(from) else { return };
        let recipients: Vec<Person> = to.iter().map(|address| named(&item, address)).collect();
        let mut letter = Letter {
            folder: INBOX,
            key: 0,
            about,
            from: sender,
            to: recipients.into(),
            item,
            original_ms,
            comment,
            received_ms: 0,
            outdated: false,
        };
        self.mails.push(Mail {
            from: letter.from.address.clone(),
            to: to.to_vec(),
            class: about.class().to_owned(),
            uid: letter.item.uid.to_string(),
            subject: letter.subject(),
            original_start_ms: letter.original_ms,
        });
        for address in to {
            let number = self.here(address).filter(|number| *number != from);
            let Some(mailbox) = number.and_then(|number| self.mailbox_mut(number)) else {
                continue;
            };
            // A room deals with what it gets, and keeps none of it.
            if mailbox.kind == MailboxKind::Room {
                continue;
            }
            if let About::Request { significant, .. } = about {
                let new = !mailbox.was_invited(&letter.item.uid);
                letter.about = About::Request { new, significant };
            }
            mailbox.take_letter(letter.clone());
        }
        if save_copy && let Some(mailbox) = self.mailbox_mut(from) {
            letter.folder = SENT_ITEMS;
            mailbox.take_letter(letter);
        }
    }
}

/// An address with the name that the meeting has for it.
fn named(item: &Item, address: &str) -> Person {
    let known = item.draft.attendees.iter().find(|who| who.address.eq_ignore_ascii_case(address));
    let name = known.map_or(address, |who| who.name.as_str()).to_owned();
    Person { name, address: address.to_owned() }
}
