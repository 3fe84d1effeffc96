//! What rooms do to the invitations that they take.

use super::draft::{Draft, Sensitivity};
use super::item::Person;

/// What a room does to the invitations that it takes (`Set-CalendarProcessing`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RoomRules {
    /// `AddOrganizerToSubject`: the organiser's name stands before the title, or instead of it.
    pub add_organizer_to_subject: bool,
    /// `DeleteSubject`
    pub delete_subject: bool,
    /// `DeleteComments`: bodies are taken away.
    pub delete_comments: bool,
    /// `RemovePrivateProperty`
    pub remove_private_property: bool,
}

impl RoomRules {
    pub(super) fn apply(self, draft: &mut Draft, organizer: &Person) {
        if self.delete_subject {
            draft.subject.clear();
        }
        if self.add_organizer_to_subject {
            draft.subject = format!("{} {}", organizer.name, draft.subject).trim().to_owned();
        }
        if self.delete_comments {
            draft.body.clear();
        }
        if self.remove_private_property {
            draft.sensitivity = Sensitivity::Normal;
        }
    }
}
