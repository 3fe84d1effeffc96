//! What the server mails to people.

use super::calendars::Mail;
use super::meetings::Heard;
use super::world::World;

impl World {
    /// Notes what the server mails because of an EWS request.
    pub(super) fn send(&mut self, from: usize, uid: &str, heard: &Heard) {
        for (to, class) in [
            (&heard.invited, "IPM.Schedule.Meeting.Request"),
            (&heard.cancelled, "IPM.Schedule.Meeting.Canceled"),
        ] {
            if !to.is_empty() {
                self.post(from, to.clone(), class, uid);
            }
        }
    }

    /// Notes one mail.
    pub(super) fn post(&mut self, from: usize, to: Vec<String>, class: &str, uid: &str) {
        let Some(from) = self.mailbox(from).map(|mailbox| mailbox.address.to_string()) else {
            return;
        };
        let (class, uid) = (class.to_owned(), uid.to_owned());
        self.mails.push(Mail { from, to, class, uid });
    }
}
