//! What the fleet notes, written as conditions.

use super::{
    COMMITTED, CURSOR_LOST, Condition, EXCHANGE_WAITS, EXCHANGE_WELL, GROUP_DEMOTED, GROUP_LEFT,
    GROUP_PROMOTED, ITEM_UNREADABLE, ITEMS_READABLE, KEY_LATE, LISTENING, MAILBOX_DEMOTED,
    MAILBOX_FAILING, MAILBOX_IN_CLOUD, MAILBOX_WELL, PROXY_REFUSES, READING, RELAYED, SERVER_LEFT,
    SERVER_REFUSES_SIGN_IN, SIGN_IN_REFUSED, SIGNED_IN, STORE_FAILS, STREAM_FAILED, WINDOW_CUT,
    WINDOW_WHOLE,
};
use crate::condition;
use crate::model::{Cause, Fault, Span, Trace, UserId};
use crate::net::gate::REFUSED_HERE;
use crate::net::proxy;
use crate::pipeline::announcement::UserState;
use crate::pipeline::fleet::{Note, Reading, Side};
use crate::pipeline::limits::WINDOW_ENTRIES;
use crate::pipeline::sync::{Commit, Shortfall};

/// Writes what the fleet noted.
pub fn note(calendar: &str, note: &Note) {
    match note {
        Note::MailboxFailing(user, fault, wait) => failing(calendar, user, fault, *wait),
        Note::Relayed(user, trace) => {
            condition!(debug, RELAYED, CALENDAR = calendar, USER_ID = user,
                TRACKING_ID = tracking(*trace),;
                "mailbox {user} was read and is relayed");
        }
        Note::MailboxWell(user, trace) => {
            condition!(info, MAILBOX_WELL, CALENDAR = calendar, USER_ID = user,
                TRACKING_ID = tracking(*trace),;
                "mailbox {user} can be read again");
        }
        Note::ServerWaits(side, fault, wait) => waits(calendar, side, fault, *wait),
        Note::ServerWell(side) => {
            condition!(info, EXCHANGE_WELL, CALENDAR = calendar, SERVER = named(side),;
                "Exchange answers again ({})", named(side));
        }
        Note::ServerLeft(side) => {
            condition!(info, SERVER_LEFT, CALENDAR = calendar, SERVER = named(side),;
                "nobody is served by {} any more", named(side));
        }
        Note::SignedIn => {
            condition!(info, SIGNED_IN, CALENDAR = calendar,; "the account is signed in again");
        }
        Note::SignInRefused(fault, wait) if refused(fault) == PROXY_REFUSES => {
            condition!(error, PROXY_REFUSES, CALENDAR = calendar, CAUSE = fault,
                TRACKING_ID = fault.cause.tracking(),;
                "the proxy refuses to sign us in ({fault}); looked at again in {wait}, or when the \
                 secret calendar.{calendar}.proxy_password changes");
        }
        Note::SignInRefused(fault, wait) => {
            condition!(error, SIGN_IN_REFUSED, CALENDAR = calendar, CAUSE = fault,
                EWS_REQUEST_ID = fault.cause.id(), TRACKING_ID = fault.cause.tracking(),;
                "the account is not signed in ({fault}); looked at again in {wait}, or when the \
                 secret calendar.{calendar}.password (or the keytab) changes");
        }
        Note::StoreFails(fault) => {
            condition!(error, STORE_FAILS, CAUSE = fault,;
                "the store cannot be written ({fault}); nothing is lost, reading waits for it");
        }
        Note::StreamFailed(fault, mailboxes) => {
            condition!(warn, STREAM_FAILED, CALENDAR = calendar, CAUSE = fault,
                EWS_REQUEST_ID = fault.cause.id(),;
                "a stream of {mailboxes} mailboxes broke ({fault}); they are polled meanwhile");
        }
        Note::Demoted(user, fault, wait) => {
            condition!(warn, MAILBOX_DEMOTED, CALENDAR = calendar, USER_ID = user, CAUSE = fault,
                EWS_REQUEST_ID = fault.cause.id(),;
                "mailbox {user} cannot be listened to ({fault}); it is polled, and listening is \
                 tried again in {wait}");
        }
        Note::GroupDemoted(group, fault, wait) => {
            condition!(warn, GROUP_DEMOTED, CALENDAR = calendar, GROUP = group, CAUSE = fault,
                EWS_REQUEST_ID = fault.cause.id(),;
                "streams of a group of mailboxes fail again and again ({fault}); they are polled, \
                 and one tries again in {wait}");
        }
        Note::GroupPromoted(group) => {
            condition!(info, GROUP_PROMOTED, CALENDAR = calendar, GROUP = group,;
                "streams work again; polled mailboxes are listened to");
        }
        Note::GroupLeft(group) => {
            condition!(info, GROUP_LEFT, CALENDAR = calendar, GROUP = group,;
                "a group of mailboxes whose streams failed has none any more");
        }
        Note::Listening(user) => {
            condition!(debug, LISTENING, CALENDAR = calendar, USER_ID = user,;
                "mailbox {user} is listened to");
        }
        Note::KeyLate(user, fault) => {
            condition!(warn, KEY_LATE, CALENDAR = calendar, USER_ID = user, CAUSE = fault,
                TRACKING_ID = fault.cause.tracking(),;
                "no new key for mailbox {user} ({fault}); the old one is used meanwhile");
        }
        Note::CursorLost(user, trace) => {
            condition!(info, CURSOR_LOST, CALENDAR = calendar, USER_ID = user,
                TRACKING_ID = trace,;
                "Exchange does not know the cursor of mailbox {user} any more; its window is read \
                 anew");
        }
        Note::ItemUnreadable(user, fault) => {
            condition!(warn, ITEM_UNREADABLE, CALENDAR = calendar, USER_ID = user, CAUSE = fault,
                EWS_REQUEST_ID = fault.cause.id(),
                TRACKING_ID = fault.cause.tracking(),;
                "an item of mailbox {user} cannot be read ({fault}); the others are relayed");
        }
        Note::ItemsReadable(user, trace) => {
            condition!(info, ITEMS_READABLE, CALENDAR = calendar, USER_ID = user,
                TRACKING_ID = trace,;
                "no item of mailbox {user} is left out any more as unreadable");
        }
        Note::Shortfall(user, shortfall, trace) => cut(calendar, user, *shortfall, *trace),
    }
}

/// Which condition a refused sign-in is: the account's, or that of the proxy on the way.
pub fn refused(fault: &Fault) -> Condition {
    if proxy::is_refusal(fault) { PROXY_REFUSES } else { SIGN_IN_REFUSED }
}

/// The beginning of a hash: enough to tell some servers apart.
pub fn short(hash: &str) -> String {
    hash.chars().take(12).collect()
}

fn named(side: &Side) -> String {
    match side {
        Side::Server(key) => short(key.as_str()),
        Side::Directory => "directory".into(),
    }
}

fn tracking(trace: Option<Trace>) -> String {
    trace.map_or_else(|| "-".into(), |trace| trace.to_string())
}

fn waits(calendar: &str, side: &Side, fault: &Fault, wait: Span) {
    let server = named(side);
    if fault.cause.code.as_str() == REFUSED_HERE {
        condition!(error, SERVER_REFUSES_SIGN_IN, CALENDAR = calendar, SERVER = server,
            CAUSE = fault, EWS_REQUEST_ID = fault.cause.id(), TRACKING_ID = fault.cause.tracking(),;
            "one server does not let us in ({fault}); it is looked at again in {wait}");
        return;
    }
    condition!(warn, EXCHANGE_WAITS, CALENDAR = calendar, SERVER = server, CAUSE = fault,
        EWS_REQUEST_ID = fault.cause.id(), TRACKING_ID = fault.cause.tracking(),;
        "Exchange is busy or away ({fault}); next try in {wait}");
}

/// What to do about a mailbox that fails for this reason, where that is known; else empty.
pub fn hint(code: &str) -> &'static str {
    match code {
        "ErrorFolderNotFound" | "ErrorNoCalendar" => {
            "it has no calendar: let its owner open Outlook once, or make one with outlook.exe \
             /resetfolders (Get-MailboxFolderStatistics -FolderScope Calendar shows it), or \
             deactivate the user"
        }
        "ErrorNonExistentMailbox" | "ErrorMailRecipientNotFound" => {
            "there is no such mailbox: check the address (Get-Mailbox), or deactivate the user"
        }
        "ErrorImpersonateUserDenied" | "ErrorImpersonationDenied" | "ErrorAccessDenied" => {
            "the service account lacks the role ApplicationImpersonation for it \
             (Get-ManagementRoleAssignment)"
        }
        _ => "",
    }
}

/// What of a note the cloud is to know: how that mailbox is.
pub fn state(note: &Note) -> Option<(&UserId, UserState)> {
    match note {
        Note::Relayed(user, _) => Some((user, UserState::Active)),
        Note::MailboxFailing(user, fault, _) if fault.cause.code == Cause::IN_THE_CLOUD => {
            Some((user, UserState::Error(MAILBOX_IN_CLOUD.name)))
        }
        Note::MailboxFailing(user, ..) => Some((user, UserState::Error(MAILBOX_FAILING.name))),
        _ => None,
    }
}

fn failing(calendar: &str, user: &UserId, fault: &Fault, wait: Span) {
    if fault.cause.code == Cause::IN_THE_CLOUD {
        condition!(warn, MAILBOX_IN_CLOUD, CALENDAR = calendar, USER_ID = user,
            TRACKING_ID = fault.cause.tracking(),;
            "mailbox {user} was moved to Microsoft 365, where it cannot be read from here; looked \
             for again in {wait}");
        return;
    }
    let hint = hint(&fault.cause.code);
    let then = if hint.is_empty() { "" } else { "; " };
    condition!(warn, MAILBOX_FAILING, CALENDAR = calendar, USER_ID = user, CAUSE = fault,
        EWS_REQUEST_ID = fault.cause.id(), TRACKING_ID = fault.cause.tracking(),;
        "mailbox {user} cannot be read ({fault}){then}{hint}; next try in {wait}");
}

fn cut(calendar: &str, user: &UserId, shortfall: Shortfall, trace: Trace) {
    match shortfall {
        Shortfall { from: Some(_), .. } => {
            condition!(warn, WINDOW_CUT, CALENDAR = calendar, USER_ID = user,
                TRACKING_ID = trace,;
                "the window of mailbox {user} holds more than {WINDOW_ENTRIES} meetings; the \
                 earliest are relayed, the later ones are not");
        }
        Shortfall { crowded: true, .. } => {
            condition!(warn, WINDOW_CUT, CALENDAR = calendar, USER_ID = user,
                TRACKING_ID = trace,;
                "more meetings of mailbox {user} touch one minute than Exchange lists; some of \
                 them are not relayed, and one that is deleted may stay");
        }
        Shortfall { from: None, crowded: false } => {
            condition!(info, WINDOW_WHOLE, CALENDAR = calendar, USER_ID = user,
                TRACKING_ID = trace,;
                "the whole window of mailbox {user} is relayed again");
        }
    }
}

/// Writes that a reading begins.
pub fn reading(calendar: &str, user: &UserId, reading: Reading) {
    let reason = if reading.rung { "rung" } else { "turn" };
    condition!(debug, READING, CALENDAR = calendar, USER_ID = user, REASON = reason,
        TRACKING_ID = reading.trace,; "mailbox {user} is being read ({reason})");
}

/// What a commit wrote, to be told once it is on the disk.
pub struct Written {
    user: UserId,
    events: usize,
    trace: Option<Trace>,
}

impl Written {
    /// Of this commit.
    pub fn of(commit: &Commit) -> Self {
        Self { user: commit.user.clone(), events: commit.events.len(), trace: commit.trace }
    }

    /// Writes it.
    pub fn tell(self, calendar: &str) {
        let Self { user, events, trace: Some(trace) } = self else { return };
        condition!(debug, COMMITTED, CALENDAR = calendar, USER_ID = user, EVENTS = events,
            TRACKING_ID = trace,; "of mailbox {user} {events} events are on the disk");
    }
}
