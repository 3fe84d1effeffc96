//! Which conditions are open now: each line of the journal that names a condition passes here, so
//! that no loop has to know of it.
//!
//! A condition that is told when it begins and whose end is told by another one is open in between,
//! for each mailbox, command, server, group or host by itself. One whose end nobody tells counts as
//! open for some time after it was told last of whom it concerns.

mod matter;

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::SystemTime;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Metadata, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::layer::Context;
use tracing_subscriber::registry::LookupSpan;

use super::condition::*;
use super::tap;
use crate::model::{Span, Time};

/// Whom a condition concerns is remembered for so many; of more only those are counted.
const SUBJECTS: usize = 100_000;

/// What ends a condition that is open.
struct State {
    begins: Condition,
    ends: &'static [Condition],
    /// It counts as open for so many minutes after it was told last; 0: until it ends.
    minutes: u64,
}

const fn until(begins: Condition, ends: &'static [Condition]) -> State {
    State { begins, ends, minutes: 0 }
}

const fn fades(begins: Condition, minutes: u64) -> State {
    State { begins, ends: &[], minutes }
}

/// Every condition that lasts.
const STATES: &[State] = &[
    until(MAILBOX_FAILING, &[MAILBOX_WELL, MAILBOX_IN_CLOUD]),
    until(MAILBOX_IN_CLOUD, &[MAILBOX_WELL, MAILBOX_FAILING]),
    until(PRESENCE_FAILS, &[PRESENCE_WELL]),
    until(PRESENCE_LATE, &[PRESENCE_IN_TIME]),
    until(EXCHANGE_WAITS, &[EXCHANGE_WELL, SERVER_REFUSES_SIGN_IN, SERVER_LEFT]),
    until(SIGN_IN_REFUSED, &[SIGNED_IN, PROXY_REFUSES]),
    until(SERVER_REFUSES_SIGN_IN, &[EXCHANGE_WELL, EXCHANGE_WAITS, SERVER_LEFT]),
    until(PROXY_REFUSES, &[SIGNED_IN, SIGN_IN_REFUSED]),
    // A store that did not answer is not told to answer again; one that takes nothing is.
    State { begins: STORE_FAILS, ends: &[STORE_WELL], minutes: 15 },
    fades(STREAM_FAILED, 10),
    fades(KEY_LATE, 60),
    until(ITEM_UNREADABLE, &[ITEMS_READABLE]),
    until(WINDOW_CUT, &[WINDOW_WHOLE]),
    until(CLOUD_WAITS, &[CLOUD_WELL]),
    fades(EVENT_SET_ASIDE, 24 * 60),
    until(CHANNEL_CLOSED, &[CHANNEL_OPEN]),
    // Told at each try. The cloud may leave one out once the channel broke.
    State { begins: COMMAND_WAITS, ends: &[COMMAND], minutes: 60 },
    until(ERRAND_WAITS, &[ERRAND_ENDED, ERRAND_GOES_ON]),
    until(NO_CALENDAR, &[]),
    fades(TRUST_LIST_FULL, 60),
    until(MAILBOX_DEMOTED, &[LISTENING]),
    until(GROUP_DEMOTED, &[GROUP_PROMOTED, GROUP_LEFT]),
    fades(INTERNAL, 24 * 60),
    // The program ends with the first two; the next one begins anew.
    until(START_FAILS, &[]),
    until(STORE_DAMAGED, &[]),
    fades(STORE_REBUILT, 24 * 60),
    until(LOOP_HANGS, &[LOOP_TURNS]),
    until(RELOAD_REFUSED, &[RELOADED, RELOAD_NEEDS_RESTART]),
    until(RELOAD_NEEDS_RESTART, &[RELOADED]),
    until(SECRET_REFUSED, &[SECRET_CHANGED]),
    until(SECRET_WAITS, &[SECRET_CHANGED, SECRET_REFUSED]),
    until(ADMIN_SOCKET_FAILS, &[]),
    until(ADMIN_USER_UNKNOWN, &[]),
    until(METRICS_FAIL, &[]),
];

/// Conditions that are warnings and do not last, or whose standing is read elsewhere.
#[cfg(test)]
const MOMENTS: &[Condition] = &[
    DECORATION_REFUSED,
    DECORATION_EDITED,
    // What was left out was told of all the same.
    LINES_LEFT_OUT,
    // The trust list itself says which hosts wait.
    HOST_WAITS,
];

/// A condition that is open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Which one.
    pub condition: Condition,
    /// Of which `[[calendar]]`; empty where of none.
    pub calendar: String,
    /// Since when, for the one that it has concerned longest.
    pub since: Time,
    /// When it was told last.
    pub told: Time,
    /// How many mailboxes, commands, servers … it concerns; 1 where it concerns none by name.
    pub count: usize,
    /// The user whom it concerned last, where it concerns users.
    pub user: Option<String>,
    /// The cause, as it was told last; empty where none was.
    pub cause: String,
    /// What to do about it.
    pub remedy: String,
}

#[derive(Debug)]
struct Open {
    condition: Condition,
    /// Whom it concerns, since when, and when it was told of them last.
    subjects: HashMap<u64, (Time, Time)>,
    told: Time,
    user: Option<String>,
    /// Of the line that told it last.
    fields: Vec<(&'static str, String)>,
}

impl Open {
    fn field(&self, name: &str) -> Option<String> {
        let found = self.fields.iter().find(|(field, _)| *field == name);
        found.map(|(_, value)| value.clone())
    }
}

/// By name and calendar.
type All = BTreeMap<(&'static str, String), Open>;

/// What stands open.
#[derive(Debug, Default)]
pub struct Board(Mutex<All>);

static BOARD: Board = Board(Mutex::new(BTreeMap::new()));

/// The board of this process.
pub fn board() -> &'static Board {
    &BOARD
}

/// What of a line matters here.
#[derive(Debug, Default)]
struct Line {
    condition: String,
    calendar: String,
    user: Option<String>,
    /// What else than a user it concerns.
    subject: Option<String>,
    fields: Vec<(&'static str, String)>,
}

impl Line {
    fn subject(&self) -> Option<u64> {
        let subject = self.subject.as_ref().or(self.user.as_ref())?;
        Some(number(subject))
    }
}

fn number(subject: &str) -> u64 {
    let mut hasher = DefaultHasher::new();
    subject.hash(&mut hasher);
    hasher.finish()
}

impl Visit for Line {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.take(field.name(), || format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.take(field.name(), || value.to_owned());
    }
}

impl Line {
    fn take(&mut self, field: &str, value: impl FnOnce() -> String) {
        if field == "CONDITION" {
            self.condition = value();
            return;
        }
        let Some((name, _)) = FIELDS.iter().find(|(name, _)| *name == field) else { return };
        let value = value();
        match *name {
            "CALENDAR" => self.calendar.clone_from(&value),
            "USER_ID" => self.user = Some(value.clone()),
            "COMMAND_ID" | "HOST" | "PLACE" | "NAME" | "OF" | "SECRET" | "SERVER" | "GROUP"
            | "LOOP" => {
                self.subject = Some(value.clone());
            }
            _ => {}
        }
        self.fields.push((name, value));
    }
}

impl Board {
    fn all(&self) -> MutexGuard<'_, All> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tell(&self, now: Time, line: Line) {
        let subject = line.subject();
        let ended =
            STATES.iter().filter(|state| state.ends.iter().any(|end| end.name == line.condition));
        let ended: Vec<_> = ended.map(|state| state.begins.name).collect();
        let mut all = self.all();
        if !ended.is_empty() && !all.is_empty() {
            all.retain(|(name, calendar), open| {
                let same = line.calendar.is_empty() || *calendar == line.calendar;
                if !ended.contains(name) || !same {
                    return true;
                }
                let Some(subject) = subject else { return false };
                open.subjects.remove(&subject);
                !open.subjects.is_empty()
            });
        }
        let Some(state) = STATES.iter().find(|state| state.begins.name == line.condition) else {
            return;
        };
        let key = (state.begins.name, line.calendar);
        let open = all.entry(key).or_insert_with(|| Open {
            condition: state.begins,
            subjects: HashMap::new(),
            told: now,
            user: None,
            fields: Vec::new(),
        });
        // A command's user is not whom its condition counts.
        let user = line.user.filter(|_| line.subject.is_none());
        (open.told, open.user, open.fields) = (now, user, line.fields);
        let subject = subject.unwrap_or_default();
        if open.subjects.len() < SUBJECTS || open.subjects.contains_key(&subject) {
            open.subjects.entry(subject).or_insert((now, now)).1 = now;
        }
    }

    /// A user is not active any more, in this calendar: what concerned it there, or no calendar at
    /// all, does not any more.
    pub fn forget(&self, calendar: &str, user: &str) {
        let mut all = self.all();
        if all.is_empty() {
            return;
        }
        let subject = number(user);
        all.retain(|(_, of), open| {
            if !of.is_empty() && of != calendar {
                return true;
            }
            open.subjects.remove(&subject);
            !open.subjects.is_empty()
        });
    }

    /// What it was told of is not so any more, whomever it concerned: its place is looked at anew.
    pub fn over(&self, condition: Condition) {
        self.all().retain(|(name, _), _| *name != condition.name);
    }

    /// What is open now: the worst first, then what has been open longest.
    pub fn standing(&self, now: Time) -> Vec<Standing> {
        let mut all = self.all();
        all.retain(|_, open| {
            let state = STATES.iter().find(|state| state.begins.name == open.condition.name);
            let stands = Span::MINUTE.times(state.map_or(0, |state| state.minutes));
            if stands > Span::default() {
                open.subjects.retain(|_, (_, told)| now.since(*told) <= stands);
            }
            !open.subjects.is_empty()
        });
        let shown = all.iter().map(|((_, calendar), open)| Standing {
            condition: open.condition,
            calendar: calendar.clone(),
            since: open.subjects.values().map(|(since, _)| *since).min().unwrap_or(open.told),
            told: open.told,
            count: open.subjects.len().max(1),
            user: open.user.clone(),
            cause: open.field("CAUSE").or(open.field("REASON")).unwrap_or_default(),
            remedy: fill(open.condition.remedy, |name| open.field(name)),
        });
        let mut shown: Vec<_> = shown.collect();
        drop(all);
        shown.sort_by_key(|one| (one.condition.severity, one.since));
        shown
    }
}

/// Feeds the board of this process, and whoever follows a user.
pub(super) struct Watch;

/// Only lines with a condition or a user get here, of whatever level.
fn concerns(line: &Metadata<'_>) -> bool {
    let fields = line.fields();
    line.target().starts_with("calway")
        && (fields.field("CONDITION").is_some() || fields.field("USER_ID").is_some())
}

/// The layer, with what it sees.
pub(super) fn layer<S: Subscriber + for<'a> LookupSpan<'a>>() -> impl Layer<S> {
    Watch.with_filter(filter_fn(concerns))
}

impl<S: Subscriber> Layer<S> for Watch {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        if *event.metadata().level() == Level::DEBUG && !matter::is_of_use(event) {
            return;
        }
        let mut line = Line::default();
        event.record(&mut line);
        // The loops tell a follower of the steps of a reading, also where no line is written.
        let is_step = *event.metadata().level() == Level::DEBUG
            && ![LISTENING.name, RELAYED.name].contains(&line.condition.as_str());
        let user = line.user.as_deref().filter(|user| !is_step && tap::is_followed(user));
        if let Some(user) = user {
            tap::pass_on(user, event);
        }
        if !line.condition.is_empty() {
            board().tell(now(), line);
        }
    }
}

fn now() -> Time {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Time::from_ms(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::severity::Severity;

    fn line(condition: Condition, user: Option<&str>) -> Line {
        let (condition, calendar) = (condition.name.to_owned(), "hq".to_owned());
        let user = user.map(str::to_owned);
        let fields = vec![("CAUSE", "503".to_owned())];
        Line { condition, calendar, user, fields, ..Line::default() }
    }

    fn at(minute: u64) -> Time {
        Time::default() + Span::MINUTE.times(minute)
    }

    fn open(board: &Board, minute: u64) -> Vec<(&'static str, usize, Time)> {
        let all = board.standing(at(minute)).into_iter();
        all.map(|one| (one.condition.name, one.count, one.since)).collect()
    }

    #[test]
    fn a_condition_is_open_until_the_last_whom_it_concerns_is_well() {
        let board = Board::default();
        for (minute, user) in [(1, "ann"), (2, "bob"), (3, "ann")] {
            board.tell(at(minute), line(MAILBOX_FAILING, Some(user)));
        }
        assert_eq!(open(&board, 3), [("mailbox-failing", 2, at(1))]);
        let told = board.standing(at(3)).remove(0);
        assert_eq!((told.user.as_deref(), &*told.cause), (Some("ann"), "503"));
        board.tell(at(4), line(MAILBOX_WELL, Some("ann")));
        assert_eq!(open(&board, 4), [("mailbox-failing", 1, at(2))]);
        // It fails for another reason now, and not for both.
        board.tell(at(5), line(MAILBOX_IN_CLOUD, Some("bob")));
        assert_eq!(open(&board, 5), [("mailbox-in-cloud", 1, at(5))]);
        board.forget("elsewhere", "bob");
        assert_eq!(open(&board, 5).len(), 1);
        board.forget("hq", "bob");
        assert_eq!(open(&board, 5), []);
    }

    #[test]
    fn one_calendars_exchange_says_nothing_of_anothers_and_the_store_is_everybodys() {
        let board = Board::default();
        for condition in [EXCHANGE_WAITS, STORE_FAILS] {
            for calendar in ["hq", "branch"] {
                let line = line(condition, None);
                board.tell(at(1), Line { calendar: calendar.into(), ..line });
            }
        }
        board.tell(at(2), line(EXCHANGE_WELL, None));
        assert_eq!(open(&board, 2).len(), 3);
        board.tell(at(3), Line { calendar: String::new(), ..line(STORE_WELL, None) });
        let left = board.standing(at(3));
        assert_eq!((left.len(), &*left[0].calendar), (1, "branch"));
        assert_eq!(left[0].condition, EXCHANGE_WAITS);
    }

    #[test]
    fn what_nobody_ends_fades_and_the_worst_stands_first() {
        let board = Board::default();
        board.tell(at(0), line(STREAM_FAILED, None));
        board.tell(at(1), line(SIGN_IN_REFUSED, None));
        board.tell(at(2), line(READY, None));
        let names = |minute| open(&board, minute).iter().map(|one| one.0).collect::<Vec<_>>();
        assert_eq!(names(9), ["sign-in-refused", "stream-failed"]);
        assert_eq!(names(11), ["sign-in-refused"]);
        assert_eq!(names(9_999), ["sign-in-refused"]);
    }

    #[test]
    fn one_server_that_answers_again_says_nothing_of_the_others() {
        let board = Board::default();
        let of = |server: &str, condition| {
            let subject = Some(server.to_owned());
            Line { subject, ..line(condition, None) }
        };
        board.tell(at(1), of("one", EXCHANGE_WAITS));
        board.tell(at(2), of("two", EXCHANGE_WAITS));
        board.tell(at(2), of("three", SERVER_REFUSES_SIGN_IN));
        board.tell(at(3), line(SIGN_IN_REFUSED, None));
        board.tell(at(4), of("one", EXCHANGE_WELL));
        let (waits, refused) = (("exchange-waits", 1, at(2)), ("server-refuses-sign-in", 1, at(2)));
        assert_eq!(open(&board, 4), [("sign-in-refused", 1, at(3)), refused, waits]);
        board.tell(at(5), line(SIGNED_IN, None));
        // It answers, and lets nobody in.
        board.tell(at(5), of("two", SERVER_REFUSES_SIGN_IN));
        assert_eq!(open(&board, 5), [("server-refuses-sign-in", 2, at(2))]);
        board.tell(at(6), of("three", SERVER_LEFT));
        board.tell(at(6), of("two", EXCHANGE_WELL));
        assert_eq!(open(&board, 6), []);
    }

    #[test]
    fn what_a_command_of_an_active_user_waits_for_ends_with_that_command() {
        let board = Board::default();
        let of = |command: &str, condition| {
            let subject = Some(command.to_owned());
            Line { subject, ..line(condition, Some("ann")) }
        };
        board.tell(at(1), of("c-1", ERRAND_WAITS));
        board.tell(at(2), of("c-2", ERRAND_WAITS));
        assert_eq!(open(&board, 2), [("errand-waits", 2, at(1))]);
        board.tell(at(3), of("c-1", ERRAND_ENDED));
        assert_eq!(open(&board, 3), [("errand-waits", 1, at(2))]);
        board.tell(at(3), of("c-3", COMMAND_WAITS));
        board.tell(at(4), of("c-2", ERRAND_GOES_ON));
        assert_eq!(open(&board, 4), [("command-waits", 1, at(3))]);
        assert_eq!(open(&board, 65), [], "the cloud left it out");
    }

    #[test]
    fn a_loop_that_hung_and_turns_again_is_well_while_another_one_hangs() {
        let board = Board::default();
        let of = |name: &str, condition| {
            let subject = Some(name.to_owned());
            Line { calendar: String::new(), subject, ..line(condition, None) }
        };
        board.tell(at(1), of("uplink", LOOP_HANGS));
        board.tell(at(2), of("intake hq", LOOP_HANGS));
        board.tell(at(3), of("uplink", LOOP_TURNS));
        assert_eq!(open(&board, 99), [("loop-hangs", 1, at(2))]);
        board.tell(at(4), of("intake hq", LOOP_TURNS));
        assert_eq!(open(&board, 4), []);
    }

    #[test]
    fn whom_nobody_tells_of_any_more_is_counted_no_more_while_others_are_told_of() {
        let board = Board::default();
        board.tell(at(0), line(KEY_LATE, Some("ann")));
        for minute in [30, 60, 90] {
            board.tell(at(minute), line(KEY_LATE, Some("bob")));
        }
        assert_eq!(open(&board, 59), [("key-late", 2, at(0))]);
        assert_eq!(open(&board, 91), [("key-late", 1, at(30))]);
        assert_eq!(open(&board, 151), []);
    }

    #[test]
    fn an_item_that_cannot_be_read_stands_until_its_mailbox_is_whole_and_another_does_not() {
        let board = Board::default();
        board.tell(at(0), line(ITEM_UNREADABLE, Some("ann")));
        board.tell(at(1), line(ITEM_UNREADABLE, Some("bob")));
        // Exchange was away for two nights: nobody could look whether it is so still.
        assert_eq!(open(&board, 3 * 24 * 60), [("item-unreadable", 2, at(0))]);
        board.tell(at(5_000), line(ITEMS_READABLE, Some("ann")));
        assert_eq!(open(&board, 5_000), [("item-unreadable", 1, at(1))]);
        board.tell(at(5_001), line(ITEMS_READABLE, Some("bob")));
        assert_eq!(open(&board, 5_001), []);
    }

    #[test]
    fn of_every_warning_it_is_known_how_long_it_stands() {
        for condition in ALL.iter().filter(|one| one.severity <= Severity::Warning) {
            let lasts = STATES.iter().any(|state| state.begins.name == condition.name);
            let is_moment = MOMENTS.contains(condition);
            let name = condition.name;
            assert!(lasts != is_moment, "{name}: put it into STATES, or into MOMENTS");
        }
    }
}
