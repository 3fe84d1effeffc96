//! The words of a meeting, as a script writes it and a mailbox keeps it.

use std::fmt;

/// Exchange's opaque name of an item; case-sensitive, changes when the item moves.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ItemId(pub String);

impl fmt::Display for ItemId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// How an attendee takes part.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AttendeeKind {
    /// `RequiredAttendees`
    #[default]
    Required,
    /// `OptionalAttendees`
    Optional,
    /// `Resources`
    Resource,
}

/// `ResponseTypeType`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Response {
    /// Not asked, or not known here.
    #[default]
    Unknown,
    /// The organiser itself.
    Organizer,
    /// Perhaps.
    Tentative,
    /// Yes.
    Accept,
    /// No.
    Decline,
    /// Asked, no answer yet.
    NoResponseReceived,
}

/// `SensitivityChoicesType`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Sensitivity {
    /// Nothing special.
    #[default]
    Normal,
    /// Personal.
    Personal,
    /// Private.
    Private,
    /// Confidential.
    Confidential,
}

/// `LegacyFreeBusyType`
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FreeBusy {
    /// Free.
    Free,
    /// Tentative.
    Tentative,
    /// Busy.
    #[default]
    Busy,
    /// Out of office.
    OutOfOffice,
    /// Working elsewhere.
    WorkingElsewhere,
}

/// Somebody who is invited.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attendee {
    /// The display name.
    pub name: String,
    /// The SMTP address.
    pub address: String,
    /// How it takes part.
    pub kind: AttendeeKind,
    /// What it answered, as the owner of this copy knows.
    pub response: Response,
}

impl Attendee {
    /// Somebody who has to come.
    pub fn required(address: &str, name: &str) -> Self {
        Self { name: name.to_owned(), address: address.to_owned(), ..Self::default() }
    }

    /// Somebody who may come.
    pub fn optional(address: &str, name: &str) -> Self {
        Self { kind: AttendeeKind::Optional, ..Self::required(address, name) }
    }

    /// A room.
    pub fn resource(address: &str, name: &str) -> Self {
        Self { kind: AttendeeKind::Resource, ..Self::required(address, name) }
    }
}

/// A day of the week, or a kind of day (`DayOfWeekType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum Day {
    Sunday,
    Monday,
    Tuesday,
    Wednesday,
    Thursday,
    Friday,
    Saturday,
    /// Any day.
    Day,
    /// Monday to Friday.
    Weekday,
    /// Saturday and Sunday.
    WeekendDay,
}

/// Which one in a month (`DayOfWeekIndexType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs)]
pub enum DayIndex {
    First,
    Second,
    Third,
    Fourth,
    Last,
}

/// When a series comes back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pattern {
    /// Every so many days.
    Daily {
        /// In days.
        interval: u32,
    },
    /// On these days of every so many weeks.
    Weekly {
        /// In weeks.
        interval: u32,
        /// Sunday to Saturday only.
        days: Vec<Day>,
        /// Where a week begins.
        first_day: Day,
    },
    /// On this day of every so many months; a month too short has it on its last day.
    AbsoluteMonthly {
        /// In months.
        interval: u32,
        /// 1 to 31.
        day: u8,
    },
    /// On the first (second … last) such day of every so many months.
    RelativeMonthly {
        /// In months.
        interval: u32,
        /// The day.
        day: Day,
        /// Which one.
        index: DayIndex,
    },
    /// Once a year.
    AbsoluteYearly {
        /// 1 to 31.
        day: u8,
        /// 1 to 12.
        month: u8,
    },
    /// On the first (second … last) such day of this month.
    RelativeYearly {
        /// The day.
        day: Day,
        /// Which one.
        index: DayIndex,
        /// 1 to 12.
        month: u8,
    },
}

/// When a series is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// `NoEndRecurrence`
    Never,
    /// `EndDateRecurrence`: the last day on which it may begin (year, month, day).
    On(i16, u8, u8),
    /// `NumberedRecurrence`: so many in all, deleted ones counted.
    After(u32),
}

/// A series; it begins on the day of the draft's start.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Recurrence {
    /// When it comes back.
    pub pattern: Pattern,
    /// When it is over.
    pub end: End,
}

/// A property that Exchange keeps for somebody else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtendedProperty {
    /// `PropertySetId`, a lower-case GUID.
    pub set: String,
    /// `PropertyName`
    pub name: String,
    /// `PropertyType`, for example `String`.
    pub kind: String,
    /// One value, or several of an array type.
    pub values: Vec<String>,
}

/// What a meeting says; times are UTC in milliseconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// The title.
    pub subject: String,
    /// The place.
    pub location: String,
    /// The body, HTML when `body_html`.
    pub body: String,
    /// Whether the body is HTML.
    pub body_html: bool,
    /// Begin of the (first) occurrence.
    pub start_ms: i64,
    /// End of the (first) occurrence.
    pub end_ms: i64,
    /// Whole days of `time_zone`; start and end are rounded outwards to its midnights.
    pub all_day: bool,
    /// A Windows or IANA id, or `UTC`.
    pub time_zone: String,
    /// Who is invited; none makes it an appointment.
    pub attendees: Vec<Attendee>,
    /// Makes it a series.
    pub recurrence: Option<Recurrence>,
    /// Who may read it.
    pub sensitivity: Sensitivity,
    /// What it does to the owner's free/busy.
    pub free_busy: FreeBusy,
    /// Minutes before the start, when a reminder is set.
    pub reminder: Option<u32>,
    /// Properties of others; they do not travel to the attendees.
    pub extended: Vec<ExtendedProperty>,
    /// The language it is written in, such as `de-DE`; empty: its owner's.
    pub culture: String,
    /// A UID of one's own, as a meeting from elsewhere has; `None`: Exchange makes one.
    pub uid: Option<String>,
    /// Name and address of somebody elsewhere who called it; `None`: the calendar's owner.
    pub organizer: Option<(String, String)>,
}

impl Default for Draft {
    fn default() -> Self {
        Self {
            subject: String::new(),
            location: String::new(),
            body: String::new(),
            body_html: false,
            start_ms: 0,
            end_ms: 0,
            all_day: false,
            time_zone: "UTC".to_owned(),
            attendees: Vec::new(),
            recurrence: None,
            sensitivity: Sensitivity::Normal,
            free_busy: FreeBusy::Busy,
            reminder: Some(15),
            extended: Vec::new(),
            culture: String::new(),
            uid: None,
            organizer: None,
        }
    }
}

impl Draft {
    /// An appointment or (with attendees) a meeting of so many minutes.
    pub fn meeting(subject: &str, start_ms: i64, minutes: i64) -> Self {
        Self {
            subject: subject.to_owned(),
            start_ms,
            end_ms: start_ms.saturating_add(minutes.saturating_mul(60_000)),
            ..Self::default()
        }
    }

    /// Invites somebody more.
    pub fn invite(mut self, attendee: Attendee) -> Self {
        self.attendees.push(attendee);
        self
    }

    /// Sets the place.
    pub fn at(mut self, location: &str) -> Self {
        self.location = location.to_owned();
        self
    }

    /// Sets a text body.
    pub fn text(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self.body_html = false;
        self
    }

    /// Sets an HTML body.
    pub fn html(mut self, body: &str) -> Self {
        self.body = body.to_owned();
        self.body_html = true;
        self
    }

    /// Makes it a series.
    pub fn repeat(mut self, pattern: Pattern, end: End) -> Self {
        self.recurrence = Some(Recurrence { pattern, end });
        self
    }

    /// Sets the language.
    pub fn in_language(mut self, culture: &str) -> Self {
        self.culture = culture.to_owned();
        self
    }

    /// Sets the time zone.
    pub fn zone(mut self, id: &str) -> Self {
        self.time_zone = id.to_owned();
        self
    }
}
