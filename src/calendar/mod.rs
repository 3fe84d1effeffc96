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
//! 6. **What may have taken effect is never sent twice.** What only asks may come twice. What
//!    writes ([`Calendar::rewrite`], [`Calendar::create`], [`Calendar::respond`]) is sent once a
//!    call, never again by the provider itself, and where it is not answered with success the
//!    caller is told whether it surely had no effect ([`WriteFault::NoEffect`]), met a change of
//!    somebody else's ([`WriteFault::Conflict`]) or left doubt ([`WriteFault::InDoubt`]). Whoever
//!    is in doubt waits for [`WriteFault::SETTLED_AFTER`] and looks: [`Calendar::created`] finds
//!    a new meeting by its mark, [`Calendar::for_writing`] shows the mark, the text and the answer
//!    of one that is there.
//! 7. **Who is to wait is said**: `BackOff` is the whole server's, `Retry { after }` this mailbox's
//!    alone, `SignIn` everybody's, and a refused sign-in is never taken for throttling. A server
//!    that rests is sent nothing: an errand that asks meanwhile is told at once how long it rests.
//! 8. **Answers are bounded**; a provider that finds too much asks the server in smaller pieces,
//!    and cuts a body that is longer than any record's notes. What is read to be written is not
//!    cut: it is whole, or refused.
//! 9. **Errands starve nobody.** What writes, and what is read for it, has half of the places
//!    that meetings' readings have.
//! 10. **A new secret is tried once** ([`Calendar::try_secret`]), before the same gate as every
//!     other sign-in, while the old one stays in use.

pub mod ews;
mod ledger;

use std::sync::Arc;

use futures_util::future::{BoxFuture, FutureExt, ready};
use tokio::sync::mpsc;

use crate::model::{
    Absence, Address, BusyWindow, Cursor, Doubt, Entry, Fault, Found, FreeBusy, Hint, Home,
    Invitation, ItemId, ListenEnd, Listing, NewMeeting, Notify, Order, Page, Plain, Reach,
    Response, Rewrite, Secret, Target, Time, Tried, WriteFault, Written,
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

    /// The language of the mailbox (BCP 47), where the provider knows one: what is written for its
    /// owner is written in it. Asked for by need; a provider asks its server at most once a day.
    fn language<'a>(&'a self, _: &'a Target) -> BoxFuture<'a, Result<Option<Arc<str>>, Fault>> {
        ready(Ok(None)).boxed()
    }

    /// A meeting as it is needed to change it, all of its text: the one that the id names, or the
    /// series of which it is an occurrence. Nothing where it is gone, or is no meeting.
    ///
    /// # Errors
    /// [`Next::Refused`](crate::model::Next) where its text cannot be had whole, and where a series
    /// is asked for by an id that is no occurrence's.
    fn for_writing<'a>(
        &'a self,
        target: &'a Target,
        item: &'a ItemId,
        reach: Reach,
    ) -> BoxFuture<'a, Result<Option<Invitation>, Fault>>;

    /// Changes a meeting, and tells the invitees where that is asked for. The new version is what
    /// the change feed will show of it.
    ///
    /// # Errors
    /// [`WriteFault::Conflict`] where anything of it was changed since the version was read.
    fn rewrite<'a>(
        &'a self,
        target: &'a Target,
        rewrite: &'a Rewrite,
    ) -> BoxFuture<'a, Result<Written, WriteFault>>;

    /// Makes a meeting in the mailbox's calendar, as its owner, and invites whoever is to come.
    /// It carries `mark`, 255 bytes at most, in a property that nobody else shows or changes.
    ///
    /// # Errors
    /// [`WriteFault`]; never a conflict.
    fn create<'a>(
        &'a self,
        target: &'a Target,
        meeting: &'a NewMeeting,
        mark: &'a str,
    ) -> BoxFuture<'a, Result<Written, WriteFault>>;

    /// The meeting that carries this mark, also where it was thrown away meanwhile.
    ///
    /// # Errors
    /// Where it cannot be said whether there is one.
    fn created<'a>(
        &'a self,
        target: &'a Target,
        mark: &'a str,
    ) -> BoxFuture<'a, Result<Option<Entry>, Fault>>;

    /// Answers an invitation: of one occurrence, or all of a series where that is what is named.
    /// The comment goes to the organiser, who is told or not. What is declined leaves the calendar.
    ///
    /// # Errors
    /// [`WriteFault`]; a refusal of the organiser's own meeting, or one that was called off, is
    /// [`WriteFault::NoEffect`] with [`Next::Refused`](crate::model::Next).
    fn respond<'a>(
        &'a self,
        target: &'a Target,
        invitation: &'a Written,
        response: Response,
        comment: Option<&'a Plain>,
        notify: Notify,
    ) -> BoxFuture<'a, Result<(), WriteFault>>;

    /// When these mailboxes are free, as far as the target's owner may see it: one answer for each,
    /// in their order.
    ///
    /// # Errors
    /// What concerns more than single mailboxes.
    fn free_busy<'a>(
        &'a self,
        target: &'a Target,
        mailboxes: &'a [Arc<Address>],
        window: &'a BusyWindow,
    ) -> BoxFuture<'a, Result<Vec<Result<FreeBusy, Fault>>, Fault>>;

    /// Signs in once with another secret than the account's, which stays in use.
    fn try_secret<'a>(&'a self, _: &'a Secret) -> BoxFuture<'a, Tried> {
        ready(Tried::Untold(Fault::retry("this provider signs nobody in"))).boxed()
    }

    /// Lets a secret that was refused be tried once more: somebody mended the account, or the
    /// directory knows the secret only now.
    ///
    /// # Errors
    /// `Retry` where it cannot be looked up what was refused.
    fn forget_refusal<'a>(&'a self, _: &'a Secret) -> BoxFuture<'a, Result<(), Fault>> {
        ready(Ok(())).boxed()
    }

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
