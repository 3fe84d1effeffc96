//! One item of a calendar: what it says, its series, and which of its fields changed when.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::days;
use super::draft::{Draft, FreeBusy, Response};
use super::ids::FolderNumber;
use super::mailbox::CALENDAR;
use super::recurrence::Series;
use super::zone::Zone;

/// Name and address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Person {
    pub(super) name: String,
    pub(super) address: String,
}

/// What can be changed, and so can conflict, by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Field {
    Subject,
    Location,
    Body,
    Time,
    Attendees,
    Recurrence,
    Sensitivity,
    FreeBusy,
    Reminder,
    /// Property set and name.
    Extended(String, String),
}

/// An occurrence that differs from its series.
#[derive(Clone, Debug)]
pub(super) struct Exception {
    pub(super) draft: Draft,
    pub(super) cancelled: bool,
    pub(super) my_response: Response,
}

#[derive(Clone, Debug)]
struct Touch {
    original_ms: Option<i64>,
    field: Field,
    change: u64,
}

/// One item, a series with all that belongs to it.
#[derive(Clone, Debug)]
pub(super) struct Item {
    /// Where it stands.
    pub(super) folder: FolderNumber,
    pub(super) key: u64,
    /// Change number of its creation.
    pub(super) created: u64,
    /// Change number of its last change.
    pub(super) change: u64,
    pub(super) uid: Arc<str>,
    pub(super) draft: Draft,
    pub(super) zone: &'static Zone,
    pub(super) series: Option<Series>,
    /// By original start.
    pub(super) exceptions: BTreeMap<i64, Exception>,
    /// Original starts.
    pub(super) deleted: BTreeSet<i64>,
    pub(super) organizer: Arc<Person>,
    /// The owner of the mailbox is the organiser.
    pub(super) own: bool,
    pub(super) my_response: Response,
    pub(super) reply_ms: Option<i64>,
    /// The invitations went out.
    pub(super) sent: bool,
    pub(super) cancelled: bool,
    pub(super) sequence: u32,
    /// The one occurrence of somebody's series that this attendee was invited to.
    pub(super) orphan_ms: Option<i64>,
    pub(super) created_ms: i64,
    pub(super) modified_ms: i64,
    /// Who changed it last, where that was somebody else than its organiser.
    pub(super) modified_by: Option<Arc<str>>,
    touched: Vec<Touch>,
}

/// `CalendarItemTypeType`
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Single,
    Occurrence,
    Exception,
    RecurringMaster,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Single => "Single",
            Kind::Occurrence => "Occurrence",
            Kind::Exception => "Exception",
            Kind::RecurringMaster => "RecurringMaster",
        }
    }
}

/// A single item, a master, or one occurrence, as a client can name it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Instance<'a> {
    pub(super) item: &'a Item,
    pub(super) draft: &'a Draft,
    pub(super) kind: Kind,
    pub(super) original_ms: Option<i64>,
    pub(super) start_ms: i64,
    pub(super) end_ms: i64,
    pub(super) cancelled: bool,
    pub(super) my_response: Response,
}

/// Whether something from `start` to `end` shows in a window.
pub(super) fn overlaps(start: i64, end: i64, from: i64, to: i64) -> bool {
    start < to && (end > from || (start == end && start >= from))
}

impl Item {
    /// An item that its owner organises; numbers and times are the mailbox's to set.
    pub(super) fn new(draft: Draft, uid: Arc<str>, organizer: Arc<Person>, own: bool) -> Self {
        let mut item = Self {
            folder: CALENDAR,
            key: 0,
            created: 0,
            change: 0,
            uid,
            draft: Draft::default(),
            zone: Zone::utc(),
            series: None,
            exceptions: BTreeMap::new(),
            deleted: BTreeSet::new(),
            organizer,
            own,
            my_response: if own { Response::Organizer } else { Response::NoResponseReceived },
            reply_ms: None,
            sent: false,
            cancelled: false,
            sequence: 0,
            orphan_ms: None,
            created_ms: 0,
            modified_ms: 0,
            modified_by: None,
            touched: Vec::new(),
        };
        if own && draft.attendees.is_empty() {
            item.my_response = Response::Unknown;
        }
        item.schedule(draft);
        item
    }

    /// Whether others take part.
    pub(super) fn is_meeting(&self) -> bool {
        !self.own || !self.draft.attendees.is_empty()
    }

    /// Changes the whole item, and says which fields changed.
    pub(super) fn set(&mut self, mut draft: Draft) -> Vec<Field> {
        draft.uid = None;
        let old = self.draft.clone();
        let moved = self.schedule(draft);
        let fields = differences(&old, &self.draft);
        if moved {
            self.exceptions.clear();
            self.deleted.clear();
        }
        for exception in self.exceptions.values_mut() {
            inherit(&mut exception.draft, &old, &self.draft);
        }
        fields
    }

    /// Changes one occurrence, and says which fields changed.
    pub(super) fn set_occurrence(&mut self, original_ms: i64, mut draft: Draft) -> Vec<Field> {
        let Some(old) = self.occurrence_draft(original_ms) else { return Vec::new() };
        draft.uid = None;
        draft.recurrence = None;
        tidy(&mut draft, self.zone);
        let fields = differences(&old, &draft);
        if let Some(exception) = self.exceptions.get_mut(&original_ms) {
            exception.draft = draft;
        } else {
            let my_response = self.my_response;
            let exception = Exception { draft, cancelled: self.cancelled, my_response };
            self.exceptions.insert(original_ms, exception);
        }
        fields
    }

    /// Takes one occurrence out.
    pub(super) fn delete_occurrence(&mut self, original_ms: i64) -> bool {
        if self.occurrence(original_ms).is_none() {
            return false;
        }
        self.exceptions.remove(&original_ms);
        self.deleted.insert(original_ms)
    }

    /// Remembers which change touched which fields.
    pub(super) fn touch(&mut self, original_ms: Option<i64>, fields: Vec<Field>, change: u64) {
        for field in fields {
            let found = self
                .touched
                .iter_mut()
                .find(|touch| touch.original_ms == original_ms && touch.field == field);
            match found {
                Some(touch) => touch.change = change,
                None => self.touched.push(Touch { original_ms, field, change }),
            }
        }
    }

    /// Whether a field changed after this change.
    pub(super) fn touched_since(
        &self,
        original_ms: Option<i64>,
        field: &Field,
        change: u64,
    ) -> bool {
        self.touched.iter().any(|touch| {
            touch.change > change && touch.original_ms == original_ms && touch.field == *field
        })
    }

    /// The item itself, or its master.
    pub(super) fn whole(&self) -> Instance<'_> {
        Instance {
            item: self,
            draft: &self.draft,
            kind: if self.series.is_some() { Kind::RecurringMaster } else { Kind::Single },
            original_ms: None,
            start_ms: self.draft.start_ms,
            end_ms: self.draft.end_ms,
            cancelled: self.cancelled,
            my_response: self.my_response,
        }
    }

    /// The occurrence that was to begin then; `None` when there is none, or no more.
    pub(super) fn occurrence(&self, original_ms: i64) -> Option<Instance<'_>> {
        if self.deleted.contains(&original_ms) {
            return None;
        }
        if let Some(exception) = self.exceptions.get(&original_ms) {
            return Some(self.exceptional(original_ms, exception));
        }
        let series = self.series.as_ref()?;
        let (start, end) = series.times(series.day_of(original_ms)?);
        Some(self.regular(start, end))
    }

    /// The occurrence of this number, from 1, deleted ones counted.
    pub(super) fn original_of_index(&self, index: usize) -> Option<i64> {
        let series = self.series.as_ref()?;
        let day = series.days_from(series.first).nth(index.checked_sub(1)?)?;
        Some(series.times(day).0)
    }

    /// What the occurrence says, free to be changed.
    pub(super) fn occurrence_draft(&self, original_ms: i64) -> Option<Draft> {
        let shown = self.occurrence(original_ms)?;
        let mut draft = shown.draft.clone();
        draft.recurrence = None;
        draft.start_ms = shown.start_ms;
        draft.end_ms = shown.end_ms;
        Some(draft)
    }

    /// Everything of it that shows in a window, in no order.
    pub(super) fn expand<'a>(&'a self, from: i64, to: i64, found: &mut Vec<Instance<'a>>) {
        let Some(series) = &self.series else {
            if overlaps(self.draft.start_ms, self.draft.end_ms, from, to) {
                found.push(self.whole());
            }
            return;
        };
        let end = series.local_day(to) + 1;
        for day in series.days_from(series.local_day(from) - series.span_days()) {
            if day > end {
                break;
            }
            let (start, end) = series.times(day);
            if overlaps(start, end, from, to)
                && !self.deleted.contains(&start)
                && !self.exceptions.contains_key(&start)
            {
                found.push(self.regular(start, end));
            }
        }
        for (original, exception) in &self.exceptions {
            if overlaps(exception.draft.start_ms, exception.draft.end_ms, from, to) {
                found.push(self.exceptional(*original, exception));
            }
        }
    }

    /// The first occurrence that is left.
    pub(super) fn first_occurrence(&self) -> Option<Instance<'_>> {
        let series = self.series.as_ref()?;
        series
            .days_from(series.first)
            .take(10_000)
            .find_map(|day| self.occurrence(series.times(day).0))
    }

    /// The last occurrence that is left; `None` for a series without end.
    pub(super) fn last_occurrence(&self) -> Option<Instance<'_>> {
        let series = self.series.as_ref()?;
        series.last?;
        let days: Vec<_> = series.days_from(series.first).take(10_000).collect();
        days.iter().rev().find_map(|day| self.occurrence(series.times(*day).0))
    }

    fn regular(&self, start_ms: i64, end_ms: i64) -> Instance<'_> {
        Instance {
            kind: Kind::Occurrence,
            original_ms: Some(start_ms),
            start_ms,
            end_ms,
            ..self.whole()
        }
    }

    fn exceptional<'a>(&'a self, original_ms: i64, exception: &'a Exception) -> Instance<'a> {
        Instance {
            item: self,
            draft: &exception.draft,
            kind: Kind::Exception,
            original_ms: Some(original_ms),
            start_ms: exception.draft.start_ms,
            end_ms: exception.draft.end_ms,
            cancelled: exception.cancelled,
            my_response: exception.my_response,
        }
    }

    /// Takes a draft in; true when occurrences that were there need not be there any more.
    fn schedule(&mut self, mut draft: Draft) -> bool {
        self.zone = Zone::find(&draft.time_zone).unwrap_or(Zone::utc());
        draft.time_zone.clone_from(&self.zone.id);
        tidy(&mut draft, self.zone);
        let series = draft
            .recurrence
            .as_ref()
            .and_then(|recurrence| Series::new(&draft, recurrence, self.zone));
        if let Some(series) = &series {
            (draft.start_ms, draft.end_ms) = series.times(series.first);
        } else {
            draft.recurrence = None;
        }
        let moved = self.series != series;
        self.series = series;
        self.draft = draft;
        moved
    }
}

/// An end before the start is moved to it; whole days get their midnights.
fn tidy(draft: &mut Draft, zone: &'static Zone) {
    // The protocol knows whole seconds only.
    draft.start_ms -= draft.start_ms.rem_euclid(1000);
    draft.end_ms -= draft.end_ms.rem_euclid(1000);
    draft.end_ms = draft.end_ms.max(draft.start_ms);
    if draft.all_day {
        let (day, _) = zone.local(draft.start_ms);
        let (end_day, end_ms) = zone.local(draft.end_ms);
        let end_day = if end_ms > 0 || end_day == day { end_day + 1 } else { end_day };
        draft.start_ms = zone.utc_ms(day, 0);
        draft.end_ms = zone.utc_ms(end_day, 0);
    }
}

fn differences(old: &Draft, new: &Draft) -> Vec<Field> {
    let mut fields = Vec::new();
    let mut note = |changed: bool, field: Field| {
        if changed {
            fields.push(field);
        }
    };
    note(old.subject != new.subject, Field::Subject);
    note(old.location != new.location, Field::Location);
    note(old.body != new.body || old.body_html != new.body_html, Field::Body);
    note(!same_time(old, new), Field::Time);
    note(old.attendees != new.attendees, Field::Attendees);
    note(old.recurrence != new.recurrence, Field::Recurrence);
    note(old.sensitivity != new.sensitivity, Field::Sensitivity);
    note(old.free_busy != new.free_busy, Field::FreeBusy);
    note(old.reminder != new.reminder, Field::Reminder);
    for (one, other) in [(&old.extended, &new.extended), (&new.extended, &old.extended)] {
        for property in one.iter().filter(|property| !other.contains(property)) {
            let field = Field::Extended(property.set.clone(), property.name.clone());
            if !fields.contains(&field) {
                fields.push(field);
            }
        }
    }
    fields
}

fn same_time(old: &Draft, new: &Draft) -> bool {
    old.start_ms == new.start_ms
        && old.end_ms == new.end_ms
        && old.all_day == new.all_day
        && old.time_zone == new.time_zone
}

/// An exception follows its series in what it did not change itself.
fn inherit(exception: &mut Draft, old: &Draft, new: &Draft) {
    fn follow<T: Clone + PartialEq>(own: &mut T, old: &T, new: &T) {
        if own == old {
            own.clone_from(new);
        }
    }
    follow(&mut exception.subject, &old.subject, &new.subject);
    follow(&mut exception.location, &old.location, &new.location);
    if exception.body == old.body && exception.body_html == old.body_html {
        exception.body.clone_from(&new.body);
        exception.body_html = new.body_html;
    }
    follow(&mut exception.attendees, &old.attendees, &new.attendees);
    follow(&mut exception.sensitivity, &old.sensitivity, &new.sensitivity);
    follow(&mut exception.free_busy, &old.free_busy, &new.free_busy);
    follow(&mut exception.reminder, &old.reminder, &new.reminder);
    follow(&mut exception.extended, &old.extended, &new.extended);
}

/// `LegacyFreeBusyStatus` of an attendee's copy after its answer.
pub(super) fn free_busy_after(response: Response, intended: FreeBusy) -> FreeBusy {
    match response {
        Response::Accept | Response::Organizer => intended,
        Response::Decline => FreeBusy::Free,
        _ if intended == FreeBusy::Free => FreeBusy::Free,
        _ => FreeBusy::Tentative,
    }
}

/// `PT1H30M` and so on.
pub(super) fn duration(ms: i64) -> String {
    let minutes = ms.max(0) / 60_000;
    let (days, hours, minutes) = (minutes / 1440, minutes / 60 % 24, minutes % 60);
    let mut text = String::from("P");
    if days > 0 {
        text.push_str(&format!("{days}D"));
    }
    if hours > 0 || minutes > 0 || days == 0 {
        text.push('T');
        if hours > 0 {
            text.push_str(&format!("{hours}H"));
        }
        if minutes > 0 || hours == 0 {
            text.push_str(&format!("{minutes}M"));
        }
    }
    text
}

/// Now, in UTC milliseconds.
pub(super) fn now_ms() -> i64 {
    std::time::SystemTime::now()
        .duration_since(std::time::UNIX_EPOCH)
        .ok()
        .and_then(|since| i64::try_from(since.as_millis()).ok())
        .unwrap_or(0)
}

/// `2026-11-21T17:00:00Z`; `offset_ms` of another zone than UTC gives `…+01:00`.
pub(super) fn date_time(utc_ms: i64, offset_ms: Option<i64>) -> String {
    let (day, ms) = days::split(utc_ms + offset_ms.unwrap_or(0));
    let (year, month, day) = days::date(day);
    let second = ms / 1000;
    let [hour, minute, second] = [second / 3600, second / 60 % 60, second % 60];
    let clock = format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}");
    match offset_ms {
        None => clock + "Z",
        Some(offset) => {
            let sign = if offset < 0 { '-' } else { '+' };
            let minutes = offset.abs() / 60_000;
            format!("{clock}{sign}{:02}:{:02}", minutes / 60, minutes % 60)
        }
    }
}
