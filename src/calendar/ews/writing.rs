//! What is written into calendars: each request once, and known afterwards whether it may have
//! taken effect.

use std::sync::Arc;

use super::http::Route;
use super::soap::Header;
use super::turns::Lane;
use super::{
    Ews, create_item, effect, find_item, get_user_availability, invitation, update_item, windows,
};
use crate::model::{
    Address, BusyWindow, Entry, Fault, FreeBusy, Invitation, ItemId, NewMeeting, Next, Notify,
    Plain, Reach, Response, Rewrite, Target, WriteFault, Written,
};

/// A zone that this server does not know, as its Windows is older than the zone.
const UNKNOWN_ZONE: &str = "ErrorTimeZone";

/// The item, to be changed; nothing where it is gone, or is no meeting.
pub(super) async fn invitation(
    ews: &Ews,
    target: &Target,
    item: &ItemId,
    reach: Reach,
) -> Result<Option<Invitation>, Fault> {
    let write = |header: &Header<'_>| invitation::request(header, item, reach);
    match look(ews, target, write, invitation::read).await {
        Err(fault) if super::codes::is_missing_item(&fault.cause.code) => Ok(None),
        answered => answered,
    }
}

pub(super) async fn rewrite(
    ews: &Ews,
    target: &Target,
    rewrite: &Rewrite,
) -> Result<Written, WriteFault> {
    let unchanged = Written { item: rewrite.item.clone(), version: Arc::clone(&rewrite.version) };
    if rewrite.is_nothing() {
        return Ok(unchanged);
    }
    let write = |header: &Header<'_>| update_item::request(header, rewrite);
    once(ews, target, write, update_item::read_one).await
}

pub(super) async fn create(
    ews: &Ews,
    target: &Target,
    meeting: &NewMeeting,
    mark: &str,
) -> Result<Written, WriteFault> {
    let mut zone = meeting.zone.as_deref().and_then(windows::name);
    loop {
        let write = |header: &Header<'_>| create_item::request(header, meeting, mark, zone);
        let made = once(ews, target, write, create_item::read_one).await;
        return match made {
            // Refused before it began, so it is no second try of what may have been done.
            Err(WriteFault::NoEffect(fault)) if zone.is_some() && is_unknown_zone(&fault) => {
                zone = None;
                continue;
            }
            Err(WriteFault::InDoubt(fault)) => Err(WriteFault::InDoubt(of_invitees(fault))),
            Ok(None) => Err(WriteFault::InDoubt(Fault::retry("nothing is said to be stored"))),
            Ok(Some(written)) => Ok(written),
            Err(fault) => Err(fault),
        };
    }
}

fn is_unknown_zone(fault: &Fault) -> bool {
    fault.cause.code == UNKNOWN_ZONE
}

/// Whoever is not found then is an invitee: the mailbox itself was there to be written into.
fn of_invitees(fault: Fault) -> Fault {
    match fault.next {
        Next::Gone => Fault { next: Next::Refused, ..fault },
        _ => fault,
    }
}

pub(super) async fn created(
    ews: &Ews,
    target: &Target,
    mark: &str,
) -> Result<Option<Entry>, Fault> {
    let write = |header: &Header<'_>| find_item::made_request(header, mark);
    look(ews, target, write, find_item::read_made).await
}

pub(super) async fn respond(
    ews: &Ews,
    target: &Target,
    item: &Written,
    response: Response,
    comment: Option<&Plain>,
    notify: Notify,
) -> Result<(), WriteFault> {
    let write =
        |header: &Header<'_>| create_item::respond_request(header, item, response, comment, notify);
    once(ews, target, write, create_item::read_one).await.map(|_| ())
}

pub(super) async fn free_busy(
    ews: &Ews,
    target: &Target,
    mailboxes: &[Arc<Address>],
    window: &BusyWindow,
) -> Result<Vec<Result<FreeBusy, Fault>>, Fault> {
    // What a server says of a mailbox that is named twice nobody promises.
    let mut once: Vec<&Arc<Address>> = Vec::with_capacity(mailboxes.len());
    let mut places = Vec::with_capacity(mailboxes.len());
    for one in mailboxes {
        let place = once.iter().position(|own| **own == *one);
        places.push(place.unwrap_or(once.len()));
        if place.is_none() {
            once.push(one);
        }
    }
    let mut all = Vec::with_capacity(once.len());
    for some in once.chunks(get_user_availability::MOST) {
        let write = |header: &Header<'_>| {
            get_user_availability::request(header, some.iter().map(|one| &***one), window)
        };
        let read = |xml: &[u8]| get_user_availability::read_free_busy(xml, some.len());
        all.extend(look(ews, target, write, read).await?);
    }
    let unsaid = || Err(Fault::retry("no answer for the mailbox"));
    let said = |at: usize| all.get(at).cloned().unwrap_or_else(unsaid);
    Ok(places.into_iter().map(said).collect())
}

fn route(target: &Target) -> Route {
    let anchor = Some(Arc::clone(&target.address));
    Route { anchor, lane: Lane::Errand, ..Route::default() }
}

/// Asks what may be asked twice.
async fn look<T>(
    ews: &Ews,
    target: &Target,
    write: impl Fn(&Header<'_>) -> String,
    read: impl Fn(&[u8]) -> Result<T, Fault>,
) -> Result<T, Fault> {
    Ok(ews.ask(target, &route(target), write, read).await?.0)
}

/// Sends what may not come twice. Only a version that the server refuses is no second sending: it
/// is refused before anything is done.
async fn once<T>(
    ews: &Ews,
    target: &Target,
    write: impl Fn(&Header<'_>) -> String,
    read: impl Fn(&[u8]) -> Result<T, Fault>,
) -> Result<T, WriteFault> {
    let (url, server) = ews.home(target).await.map_err(WriteFault::NoEffect)?;
    let route = route(target);
    loop {
        let now = ews.discovery.now();
        let header = Header { version: server.version(now), impersonate: &target.address };
        let sent = server.http.post_once(&url, &route, &target.address, write(&header)).await;
        let result = sent.and_then(|reply| match read(&reply.body) {
            Ok(value) => {
                server.answered(header.version, &reply.body);
                Ok(value)
            }
            Err(fault) => Err(effect::of_answer(fault.with_request_id(reply.request_id))),
        });
        match result {
            Err(WriteFault::NoEffect(fault)) if server.falls_back(now, header.version, &fault) => {}
            Err(fault) => {
                server.heard(fault.fault());
                return Err(fault.map(|fault| ews.perhaps_moved(fault)));
            }
            result => return result,
        }
    }
}
