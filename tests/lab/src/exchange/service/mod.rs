//! The simulated Exchange below HTTP: request bytes in, whole SOAP envelopes out.
//!
//! Module list is this file's own; the parent needs only `pub mod faults; pub mod service;`.

use std::time::Duration;

mod body;
mod calendars;
mod days;
mod dispatch;
mod draft;
mod envelope;
mod folder_names;
mod grammar;
mod icalendar;
mod ids;
mod item;
mod letters;
mod made;
mod mailbox;
mod mails;
mod mapi;
mod meetings;
mod office;
mod oof;
mod ops;
mod pattern;
mod recurrence;
mod release;
mod render;
mod request;
mod rooms;
mod shape;
mod stream;
mod subscription;
mod tree;
mod view;
mod world;
mod write;
mod zone;

pub use body::to_text as text_of_page;
pub use calendars::{Calendars, Info, MailboxKind, MovedTo, Shown, ShownAttendee, Whereabouts};
pub use dispatch::Service;
pub use draft::{
    Attendee, AttendeeKind, Day, DayIndex, Draft, End, ExtendedProperty, FreeBusy, ItemId, Pattern,
    Recurrence, Response, Sensitivity,
};
pub use office::{Mail, ShownMail};
pub use oof::{Oof, OofAudience, OofState};
pub use release::Release;
pub use rooms::RoomRules;
pub use stream::EventStream;

/// How the SOAP namespace is written; real servers differ by operation and version.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Prefix {
    /// `<s:Envelope>`
    #[default]
    S,
    /// `<soap:Envelope>`
    Soap,
    /// `<soap11:Envelope>`
    Soap11,
    /// `<SOAP:Envelope>`
    UpperSoap,
    /// `<Envelope xmlns=…>`
    Default,
}

/// What the service has to know of its server.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The prefix of every envelope.
    pub prefix: Prefix,
    /// The prefix of an envelope of a stream; `None`: as `prefix`.
    pub stream_prefix: Option<Prefix>,
    /// Between two heartbeats of a silent stream.
    pub heartbeat: Duration,
    /// How many back ends there are; mailboxes are spread over them.
    pub back_ends: usize,
    /// Open streams of one impersonated mailbox, beyond it `ErrorExceededConnectionCount`.
    pub hanging_connection_limit: usize,
    /// Items of one answer of FindItem (EWSFindCountLimit).
    pub find_limit: usize,
    /// Days of a calendar view that are listed in time; a longer one is `ErrorTimeoutExpired`.
    pub find_days: Option<i64>,
    /// Subscriptions of one mailbox, beyond it `ErrorExceededSubscriptionCount`.
    pub max_subscriptions: usize,
    /// Events between two streams of a subscription are kept for the second one.
    pub keep_events_between_streams: bool,
    /// A stream that was asked for good and unknown ids delivers for the good ones.
    pub mixed_ids_deliver: bool,
    /// Bodies that are written are kept otherwise: a head with the character set, CR LF.
    pub rewrites_bodies: bool,
    /// Which Exchange it is.
    pub release: Release,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            prefix: Prefix::S,
            stream_prefix: None,
            heartbeat: Duration::from_secs(45),
            back_ends: 3,
            hanging_connection_limit: 10,
            find_limit: 1_000,
            find_days: None,
            max_subscriptions: 5000,
            keep_events_between_streams: false,
            mixed_ids_deliver: false,
            rewrites_bodies: false,
            release: Release::default(),
        }
    }
}

/// One request, signed in already.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Who signed in, by the address that such an account would have.
    pub account: &'a str,
    /// The headers of the request.
    pub headers: &'a http::HeaderMap,
    /// The back end that the front has chosen.
    pub back_end: usize,
    /// The SOAP envelope.
    pub body: &'a [u8],
}

/// What goes back.
#[derive(Debug)]
pub enum Answer {
    /// One envelope.
    Soap {
        /// 200, or 500 with a fault.
        status: u16,
        /// The envelope.
        body: Vec<u8>,
        /// The operation asked for, or `""` when it could not be read.
        operation: &'static str,
        /// The impersonated mailbox.
        mailbox: Option<String>,
        /// The first `ResponseCode`, or that of the fault.
        code: String,
        /// The request asked for affinity and shall get the cookie of the back end.
        prefer_affinity_cookie: bool,
    },
    /// `GetStreamingEvents`: envelopes until it ends.
    Stream(EventStream),
}

/// What a request is about, read without doing it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Peek {
    /// The operation, or `""` when it is none of the known ones.
    pub operation: &'static str,
    /// The impersonated mailbox.
    pub mailbox: Option<String>,
    /// Other mailboxes that it names, in lower case, each once.
    pub named: Vec<String>,
}

#[cfg(test)]
mod tests;
