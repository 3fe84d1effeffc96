//! The port to calendars, and what every provider promises.
//!
//! 1. **A hint is a doorbell, `changes` is the truth.** A provider may ring too often, late or not
//!    at all; whoever asks `changes` again and again misses nothing.
//! 2. **Asking again is harmless.** `changes` with an old cursor gives the same changes again.
//! 3. **A cursor that the server refuses is [`Next::CursorLost`](crate::model::Next)**; never an
//!    empty page.
//! 4. **One bad item does not fail its neighbours**: it comes back as [`Found::Missing`] or
//!    [`Found::Other`].
//! 5. **A `Listening` hint comes only when events from then on will ring**, and again after every
//!    gap; so a sync begun after it closes the gap.
//! 6. **Answers are bounded**; a provider that finds too much asks the server in smaller pieces.

pub mod ews;

use futures_util::future::BoxFuture;
use tokio::sync::{mpsc, watch};

use crate::model::{
    Cursor, Entry, Fault, Found, GroupKey, Hint, ItemId, ListenEnd, Page, Target, Time,
};

/// A calendar provider. One object serves all mailboxes of a `[[calendar]]`.
pub trait Calendar: Send + Sync + 'static {
    /// Whether the mailbox's calendar is there and may be read with our rights.
    fn verify<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<(), Fault>>;

    /// Which mailboxes may share a stream with this one.
    fn group<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<GroupKey, Fault>>;

    /// One page of what changed since the cursor; from the beginning without one.
    fn changes<'a>(
        &'a self,
        target: &'a Target,
        cursor: Option<&'a Cursor>,
    ) -> BoxFuture<'a, Result<Page, Fault>>;

    /// The items with their bodies and participants, one answer for each id, in the order asked.
    fn items<'a>(
        &'a self,
        target: &'a Target,
        ids: &'a [ItemId],
    ) -> BoxFuture<'a, Result<Vec<Found>, Fault>>;

    /// Everything that touches `from..to`, series expanded.
    fn view<'a>(
        &'a self,
        target: &'a Target,
        from: Time,
        to: Time,
    ) -> BoxFuture<'a, Result<Vec<Entry>, Fault>>;

    /// Listens to a group of mailboxes (200 at most) until its time is over, it breaks, or `stop`
    /// becomes true; subscriptions are given back before it returns. Each mailbox gets a
    /// `Listening` or a `Refused`.
    fn listen<'a>(
        &'a self,
        group: Vec<Target>,
        hints: mpsc::Sender<Hint>,
        stop: watch::Receiver<bool>,
    ) -> BoxFuture<'a, ListenEnd>;
}
