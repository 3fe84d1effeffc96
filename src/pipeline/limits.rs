//! Every limit of the decisions, in one place, each with its reason.

use crate::model::Span;

/// Items asked for in one call. The EWS provider cuts them into batches of ten; more at once would
/// only hold more plain text in memory.
pub const ITEMS_PER_ASK: usize = 40;

/// Sealed records held in memory before they are committed: an intermediate commit is harmless (the
/// cursor stays behind), so this only bounds memory.
pub const STAGED_RECORDS: usize = 100;

/// Meetings of one window. A calendar beyond this is a mistake or an attack; the earliest are
/// relayed, and the condition `window-cut` says that not all are.
pub const WINDOW_ENTRIES: usize = 20_000;

/// Bytes of a body that go into a record. The agenda a person reads is shorter; a body of megabytes
/// would not fit a batch of 1 MiB.
pub const NOTES_BYTES: usize = 64 * 1024;

/// Bytes of a title or a place that go into a record (Exchange itself stops at 255 characters for
/// a title; a place may be longer). A link that is longer is not joined.
pub const LINE_BYTES: usize = 4 * 1024;

/// Participants in a record. The sealed name and address of one take about 250 bytes.
pub const PARTICIPANTS: usize = 1_000;

/// Bytes that all participants of a record may take. With the largest notes beside them the record
/// still fits a batch; names of kilobytes must not make a meeting that never arrives.
pub const PARTICIPANTS_BYTES: usize = 512 * 1024;

/// Keywords that a configuration may have: each `@` of a place is compared with all of them.
pub const KEYWORDS: usize = 50;

/// Letters and digits of a keyword's name. It goes to the cloud as it is, so it has to be a word.
pub const KEYWORD_CHARACTERS: usize = 32;

/// Invitees of an invitation that join details are written into: each writing may mail all of them.
pub const INVITEES: usize = 1_500;

/// Characters of an organisation's own header or footer, counted as Unicode scalar values: more
/// would push the agenda out of sight.
pub const OWN_TEXT_CHARACTERS: usize = 1_024;

/// Characters of a place that we write, in UTF-16 units: Outlook keeps 255 (PidLidLocation).
pub const PLACE_CHARACTERS: usize = 255;

/// Mailboxes of one stream (Exchange's own limit for one GetStreamingEvents).
pub const GROUP_MEMBERS: usize = 200;

/// Changed pages in one pass before the mailbox goes back to the queue, so that one busy mailbox
/// cannot hold a slot for ever. The cursor is committed with each page, so nothing is done twice.
pub const PAGES_PER_PASS: usize = 50;

/// Listings of the window for one page: one, and one more for each time the items showed a series
/// that the first did not know. A server that never stops doing so must not hold the pass.
pub const LISTINGS_PER_PAGE: usize = 4;

/// Items of a mailbox that are remembered as unreadable, 16 bytes each, so that their end is
/// noticed. Where there are more, the next listing of the window, a day later, tells how it is.
pub const SKIPPED_ITEMS: usize = 1_000;

/// Pages while draining the feed for a first cursor: 2,000 pages of 512 are a million items.
pub const DRAIN_PAGES: usize = 2_000;

/// Events in a batch to the cloud, by the relay protocol.
pub const BATCH_EVENTS: usize = 500;

/// Bytes of sealed data in a batch to the cloud: 1 MiB by the relay protocol, less the envelopes.
pub const BATCH_BYTES: usize = 768 * 1024;

/// So many events wait in the outbox when the backlog stops being read, and so few when it is read
/// again. A live edit waits behind no more than these and what the passes under way still bring.
pub const OUTBOX_LONG: (u64, u64) = (2 * BATCH_EVENTS as u64, BATCH_EVENTS as u64);

/// How often a mailbox without a working stream is polled.
pub const POLL: Span = Span::from_secs(60);

/// First and longest wait after a failure of one mailbox.
pub const MAILBOX_RETRY: (Span, Span) = (Span::SECOND, Span::from_secs(300));

/// First and longest wait of a mailbox of which some item may be well again: each time its window
/// is listed.
pub const ILL_RETRY: (Span, Span) = (Span::from_secs(5), Span::from_secs(300));

/// First and longest wait of a mailbox whose key the key server did not give.
pub const KEY_RETRY: (Span, Span) = (Span::SECOND, Span::MINUTE);

/// First and longest wait for a mailbox that may not be read: an administrator has to act.
pub const DENIED_RETRY: (Span, Span) = (Span::MINUTE, Span::HOUR);

/// First and longest wait of a mailbox that is not there: whoever was activated a moment too early
/// is looked for again soon, and an absent mailbox must not cost requests for ever.
pub const GONE_RETRY: (Span, Span) = (Span::MINUTE, Span::HOUR);

/// So long a mailbox that worked before and is said to be gone is asked for as one that moved: a
/// move is told late where directories copy each other, and is to be healed within 20 minutes.
pub const GONE_DOUBTED: Span = Span::HOUR;

/// First and longest wait of a mailbox that is still not where the directory says. A move is over
/// when the directory knows it, and is to be healed within 20 minutes.
pub const MOVED_RETRY: (Span, Span) = (Span::from_secs(5), Span::from_secs(300));

/// Mailboxes whose home is asked for in one call; Autodiscover takes as many.
pub const HOMES_PER_CALL: usize = 100;

/// Calls for homes at once. The first goes alone, and the others gather while it is on its way.
/// One more than [`CHECKS_AT_ONCE`], so that no check keeps a mailbox waiting that is lost.
pub const HOMES_AT_ONCE: usize = 3;

/// The homes of all mailboxes are checked in such a time, evenly, so that a move which nobody tells
/// is noticed within 10 minutes: at 50,000 mailboxes that is one call a second.
pub const CHECK: Span = Span::MINUTE.times(8);

/// Calls of a check at once: a directory that takes two seconds for a hundred mailboxes keeps up
/// with 50,000.
pub const CHECKS_AT_ONCE: usize = 2;

/// A check that could not be carried on in time hurries for no more than this.
pub const CHECK_LATE: Span = Span::MINUTE;

/// So often in a row something is new in a mailbox that is listened to, and nobody rang, before its
/// subscription is taken for dead. Once may be an accident of a stream that was opened anew.
pub const UNRUNG: u8 = 2;

/// How often each mailbox is asked whether its owner is out of office. It is to be seen within 5
/// minutes; the rest is for the way.
pub const PRESENCE: Span = Span::from_secs(270);

/// Questions of that kind that are open at once for a small calendar.
pub const PRESENCES_AT_ONCE: usize = 4;

/// One more for each so many mailboxes: a round ends in time where an answer takes a quarter of a
/// second. How many of them are open at one server is the provider's matter.
pub const PRESENCES_EACH: usize = 1_000;

/// So many at most.
pub const PRESENCES_MOST: usize = 64;

/// A question that waits so long for its turn is told of: what it would show may be seen later than
/// after five minutes.
pub const PRESENCE_LATE: Span = Span::from_secs(25);

/// Calls for the homes of fewer than [`HOMES_PER_CALL`] mailboxes come no closer than this on
/// average: where thousands are activated, nearly each would be asked for alone.
pub const HOMES_APART: Span = Span::from_ms(500);

/// So many such calls may come closer, as nobody waits for others where few are activated.
pub const HOMES_BURST: u64 = 4;

/// How long a server is busy or away before the directory is asked whether its mailboxes moved.
pub const AWAY: Span = Span::from_secs(300);

/// Polls of unheard mailboxes a second, at most: where no stream works for tens of thousands, they
/// are polled less often rather than drown the server: 50,000 every 8 minutes, which is as often
/// as those are read whose streams are opened anew.
pub const POLLS_PER_SECOND: u64 = 100;

/// How far apart mailboxes are read anew when their day begins, and over how long at most: a
/// window is a listing, and 50,000 at once would delay whatever people do then.
pub const MIDNIGHT_EACH: Span = Span::from_ms(36);

/// As [`MIDNIGHT_EACH`].
pub const MIDNIGHT_SPREAD: Span = Span::MINUTE.times(30);

/// First and longest wait of everybody after Exchange said it is busy. Sending again prolongs its
/// recovery, so the floor holds even where it suggests 0 ms.
pub const SERVER_RETRY: (Span, Span) = (Span::SECOND, Span::MINUTE);

/// First and longest wait after sign-in was refused. Whoever asks then asks the gate of the account
/// first, which sends a refused secret again after one, two and four hours: this only says how long
/// after that it is noticed.
pub const SIGN_IN_RETRY: (Span, Span) = (Span::from_secs(900), Span::from_secs(900));

/// First and longest wait before a broken stream is opened again; polling bridges it.
pub const LISTEN_RETRY: (Span, Span) = (Span::SECOND, Span::from_secs(600));

/// Failures in a row after which a mailbox, or a whole group, is polled and no stream is tried for
/// a while: each try costs as many requests as there are mailboxes.
pub const LISTEN_FAILURES: u8 = 4;

/// How long a demoted mailbox or group is left to polling before a stream is tried again.
pub const QUIET: Span = Span::MINUTE.times(15);

/// Passes of one server that wait for the key server, the disk or a place beside those that ask:
/// they keep nobody from asking, but each holds the plain text of some meetings.
pub const ASIDE: usize = 64;

/// How many of them may be of the backlog; the rest is kept for rung mailboxes.
pub const ASIDE_BACKLOG: usize = 48;

/// Streams of one server that are being subscribed at once. Each has four calls open, so most of
/// the server's budget goes to it and tens of thousands take minutes.
pub const STREAMS_OPENING: usize = 2;

/// A stream smaller than this takes newcomers in: opening it anew reads all its members once more,
/// so it must not be large.
pub const JOIN_BELOW: usize = 25;

/// How often small streams of a group are merged into larger ones.
pub const MERGE: Span = Span::MINUTE.times(27);

/// A stream that lived so long was a good one: when it breaks, the wait begins from the first.
pub const LISTEN_PROVEN: Span = Span::MINUTE.times(5);

/// Where one stream tried for a demoted group, the others follow after this.
pub const GROUP_TRIAL: Span = Span::MINUTE;

/// First and longest wait for the cloud.
pub const CLOUD_RETRY: (Span, Span) = (Span::SECOND, Span::MINUTE);

/// A wall clock that jumped (a virtual machine that slept, a clock that was set) is noticed after
/// this at the latest.
pub const LOOK: Span = Span::MINUTE;

/// New mailboxes wait this long for others before a stream is opened for them.
pub const GATHER: Span = Span::from_ms(200);

/// And this long at most while the homes of more are being asked for.
pub const GATHER_MOST: Span = Span::from_secs(5);

/// A full disk is tried again at this interval.
pub const STORE_RETRY: Span = Span::from_secs(5);

/// First and longest wait of everybody after the disk took nothing: each try reads from Exchange
/// again.
pub const STORE_PACE: (Span, Span) = (STORE_RETRY, Span::MINUTE);

/// Errands that may wait for one mailbox: a person asks for a few, a mistake for thousands.
pub const ERRANDS: u32 = 100;

/// Errands of one calendar that ask something at once; the provider gives them half of the places
/// that readings have.
pub const ERRANDS_AT_ONCE: usize = 4;

/// First and longest wait after a failure of an errand: somebody waits for it.
pub const ERRAND_RETRY: (Span, Span) = (Span::SECOND, Span::MINUTE.times(2));

/// What writes is given up after a day: by then its user has done it in another way.
pub const ERRAND_LIFE: Span = Span::DAY;

/// A question is given up after ten minutes: nobody waits longer for an answer.
pub const QUESTION_LIFE: Span = Span::MINUTE.times(10);

/// So often a single mailbox that could not be asked for its free times is asked again.
pub const QUESTION_TRIES: u8 = 3;

/// First and longest wait of what a reading noticed: nobody waits for it at a screen, and an item
/// that is ill is asked for no more than 150 times a day.
pub const NOTICED_RETRY: (Span, Span) = (Span::SECOND, Span::MINUTE.times(10));

/// What a reading noticed is given up after so long: an outage of Exchange over a weekend, or over
/// holidays, is not to lose it, as it is noticed again only with a change of the meeting.
pub const NOTICED_LIFE: Span = Span::DAY.times(7);

/// So far before and behind the time that the cloud names a meeting is looked for which is not
/// there: a series that comes once a month has another occurrence there.
pub const DECORATION_REACH: Span = Span::DAY.times(35);

/// So often a guest whose free times could not be seen is asked for again, for half a minute,
/// before a meeting is placed without them.
pub const PLACE_TRIES: u8 = 6;

/// After so many failures in a row it is told that an errand waits.
pub const ERRAND_FAILS: u8 = 5;

/// Guests of a meeting that is made for a user.
pub const GUESTS: usize = 500;

/// The longest span of a question for free times: Exchange 2010 takes 42 days, later ones 62.
pub const FREE_BUSY_SPAN: Span = Span::DAY.times(42);

/// Digits of one answer about free times: with what stands around them they fit a batch.
pub const FREE_BUSY_DIGITS: u64 = 300_000;

/// Bytes that the single engagements of such an answer may take.
pub const FREE_BUSY_BYTES: usize = 256 * 1024;

/// An invitation that is not where it was said to begin is looked for so long before and after: the
/// usual window reaches no further, and it is one request to Exchange.
pub const SOUGHT: Span = Span::DAY.times(31);

/// So many of the items there are read for it, the nearest first: five requests. Only one of a
/// series that was moved more than once needs it.
pub const SOUGHT_ITEMS: usize = 50;

/// Where a meeting is placed into free time it begins on such a minute.
pub const PLACE_STEP: Span = Span::MINUTE.times(15);
