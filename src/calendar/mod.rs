//! The port to calendars, and what every provider promises.
//!
//! 1. **A hint is a doorbell, `changes` is the truth.** A provider may ring too often, late or not
//!    at all; whoever asks `changes` again and again misses nothing.
//! 2. **Asking again is harmless.** `changes` with an old cursor gives the same changes again.
//! 3. **A cursor that the server refuses is [`Next::CursorLost`](crate::model::Next)**; never an
//!    empty page.
//! 4. **One bad item does not fail its neighbours**: it comes back as [`Found::Missing`],
//!    [`Found::Other`] or [`Found::Unreadable`], the last with `Retry` as long as it may be well
//!    again.
//! 5. **A `Listening` hint comes only when events from then on will ring**, and again after every
//!    gap; so a sync begun after it closes the gap.
//! 6. **What may have taken effect is never sent twice blind.** Whatever is asked so far may come
//!    twice. A request that creates (CreateItem) may not: where its answer is lost, the provider
//!    looks first whether it took effect.
//! 7. **Who is to wait is said**: `BackOff` is the whole server's, `Retry { after }` this mailbox's
//!    alone, `SignIn` everybody's, and a refused sign-in is never taken for throttling.
//! 8. **Answers are bounded**; a provider that finds too much asks the server in smaller pieces,
//!    and cuts a body that is longer than any record's notes.

pub mod ews;
mod ledger;

use futures_util::future::BoxFuture;
use tokio::sync::mpsc;

use crate::model::{
    Absence, Cursor, Doubt, Fault, Found, Hint, Home, ItemId, ListenEnd, Listing, Order, Page,
    Target, Time,
};

pub use ledger::{Forgetful, Ledger};

/// The most mailboxes of one [`Calendar::homes`]: Autodiscover takes 100 users a request.
pub const HOMES_PER_CALL: usize = 100;

/// A calendar provider. One object serves all mailboxes of a `[[calendar]]`.
pub trait Calendar: Send + Sync + 'static {
    /// Whether the mailbox's calendar is there and may be read with our rights.
    fn verify<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<(), Fault>>;

    /// Where these mailboxes are served, [`HOMES_PER_CALL`] at most: one answer for each, in their
    /// order. A mailbox that is gone is [`Next::Gone`](crate::model::Next), also where its home was
    /// known; where the directory fails, an old home is better than none.
    fn homes<'a>(
        &'a self,
        targets: &'a [Target],
        doubt: Doubt,
    ) -> BoxFuture<'a, Vec<Result<Home, Fault>>>;

    /// The mailbox is not active any more: what is known of it, where it is above all, is forgotten
    /// within a minute or so, unless it is asked for again meanwhile.
    fn forget<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, ()>;

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

    /// Everything that touches `from..to`, series expanded; or what the server lists of it.
    fn view<'a>(
        &'a self,
        target: &'a Target,
        from: Time,
        to: Time,
    ) -> BoxFuture<'a, Result<Listing, Fault>>;

    /// When the mailbox's owner is out of office.
    fn absence<'a>(&'a self, target: &'a Target) -> BoxFuture<'a, Result<Absence, Fault>>;

    /// Listens to a group of mailboxes (200 at most) until its time is over, it breaks, or it is
    /// told to stop; subscriptions are given back before it returns, within some seconds. Each
    /// mailbox, also one that joins, gets a `Listening` or a `Refused`. The ids of subscriptions
    /// never leave this call: no second process can open a stream on them.
    fn listen<'a>(
        &'a self,
        group: Vec<Target>,
        orders: mpsc::Receiver<Order>,
        hints: mpsc::Sender<Hint>,
    ) -> BoxFuture<'a, ListenEnd>;
}
