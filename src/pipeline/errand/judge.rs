//! What is to be done about an invitation that was read: what its place asks for, of whom, and
//! whether that was done already.

use std::sync::Arc;

use super::remark::Why;
use crate::model::{
    Fault, Invitation, InvitationKind, Meeting, MeetingKind, Next, Plain, RecordKey, Time, UserId,
};
use crate::pipeline::decorate::{self, Language, OwnTexts};
use crate::pipeline::keyword::{self, Asked, Mark, Verdict};
use crate::pipeline::seal::Installation;
use crate::pipeline::showing::Showing;

/// What of the configuration errands go by.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// What organisers write into a place, how a meeting is joined, and what of it is shown.
    pub showing: Arc<Showing>,
    /// The words around join details.
    pub texts: Arc<OwnTexts>,
}

impl Rules {
    /// What is to be done. `conference`: somebody knows of an address in a conference property.
    pub(super) fn judge(
        &self,
        meeting: &RecordKey,
        invitation: &Invitation,
        conference: bool,
        now: Time,
    ) -> Verdict {
        let mark = mark_of(meeting, invitation);
        let asked = self.showing.keywords.find(&invitation.location);
        let joinable =
            || conference || asked.as_ref().is_some_and(|one| self.joins(invitation, one));
        let of = keyword::Invitation {
            meeting,
            place: &invitation.location,
            own: invitation.mine,
            cancelled: invitation.cancelled,
            end: invitation.last_end,
            invitees: invitation.invitees,
            // Only what is asked for the first time is looked through.
            joinable: mark.is_none() && joinable(),
            mark: mark.as_ref(),
        };
        self.showing.keywords.judge(&of, now)
    }

    /// Whether a meeting can be joined by something that is not ours.
    fn joins(&self, invitation: &Invitation, asked: &Asked) -> bool {
        let (body, _) = decorate::remove(&invitation.body, &self.texts);
        let without = Meeting {
            item: invitation.item.clone(),
            version: invitation.version.clone(),
            uid: invitation.uid.clone(),
            kind: MeetingKind::Single,
            original_start: None,
            start: invitation.start,
            end: invitation.end,
            all_day: false,
            subject: invitation.subject.clone(),
            location: asked.place.with(""),
            body,
            organizer: invitation.organizer.clone(),
            participants: Vec::new(),
            sensitivity: invitation.sensitivity,
            cancelled: invitation.cancelled,
            last_modified: None,
            conference: invitation.conference.clone(),
            mine: invitation.mine,
            mark: None,
        };
        !self.showing.join.join(&without).is_empty()
    }

    /// The language to write in; nothing where it takes the mailbox's to know.
    pub(super) fn language(
        &self,
        invitation: &Invitation,
        mailbox: Option<&Option<Arc<str>>>,
    ) -> Option<Language> {
        let own = Some(&*invitation.language);
        match (Language::find(&invitation.language), mailbox) {
            (None, None) => None,
            (_, known) => {
                let mailbox = known.and_then(|known| known.as_deref());
                Some(self.texts.language(own, mailbox))
            }
        }
    }
}

/// The mark that was written for this meeting; a copy of an invitation carries another's.
pub(super) fn mark_of(meeting: &RecordKey, invitation: &Invitation) -> Option<Mark> {
    let mark = invitation.mark.as_ref().and_then(|text| Mark::parse(text.reveal()));
    mark.filter(|mark| mark.meeting == *meeting)
}

/// The id of a request: the same as long as the same is asked for. Of the times of a series only
/// its length counts: whoever notices it sees its occurrences, and not when the first one was.
pub(super) fn request_id(
    installation: &Installation,
    meeting: &RecordKey,
    asked: &Asked,
    invitation: &Invitation,
) -> Arc<str> {
    let (start, end) = (invitation.start.as_ms(), invitation.end.as_ms());
    let times = match invitation.kind {
        InvitationKind::Series => [0, end - start],
        _ => [start, end],
    };
    let tag = installation.tag(&[
        b"decorate",
        meeting.as_str().as_bytes(),
        asked.keyword.as_bytes(),
        asked.mode.as_str().as_bytes(),
        invitation.subject.reveal().as_bytes(),
        &times.map(i64::to_be_bytes).concat(),
    ]);
    tag.hex().into()
}

/// Why an invitation cannot be read to be written, where it will stay so.
pub(super) fn unreadable(fault: &Fault) -> Option<Why> {
    (fault.next == Next::Refused).then(|| Why::Unreadable(fault.cause.code.clone()))
}

/// Whether an invitation is a series or a part of one.
pub(super) fn recurs(invitation: &Invitation) -> bool {
    invitation.kind != InvitationKind::Single || invitation.original_start.is_some()
}

/// The key of the series that an invitation is, or belongs to.
pub(super) fn series_key(installation: &Installation, user: &UserId, uid: &Plain) -> RecordKey {
    installation.record_key(user, uid, None)
}
