//! The mailboxes' own time zones, many with one request, once a day. Nobody's calendar waits for
//! them: without its zone a mailbox's window rolls at midnight UTC.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::timeout;

use super::get_user_availability::{self, MOST};
use super::http::Route;
use super::soap::Header;
use super::turns::Lane;
use super::{Ews, codes};
use crate::model::{Address, Fault, Next, Target, Zone};

/// Mailboxes that show others nothing are asked in their own names, so many of them a call; the
/// others wait for their next turn.
const ALONE: usize = 20;
/// Homes wait so long for them at most.
const PATIENCE: Duration = Duration::from_secs(3);

/// What was told of one mailbox; `None` where it could not be asked.
type Told = (Arc<Address>, Option<Option<Zone>>);

/// Asks for the zones that are due. Whether any was asked for.
pub(super) async fn learn(ews: &Ews, targets: &[Target]) -> bool {
    let discovery = &ews.discovery;
    let due = targets.iter().filter(|target| discovery.is_zone_due(&target.address));
    let mut servers: Vec<(String, Vec<Target>)> = Vec::new();
    for target in due {
        let Some(known) = discovery.known(&target.address) else { continue };
        let server = known.place.ews.to_string();
        match servers.iter_mut().find(|(known, _)| *known == server) {
            Some((_, targets)) => targets.push(target.clone()),
            None => servers.push((server, vec![target.clone()])),
        }
    }
    let asked = !servers.is_empty();
    let asking = async {
        for (_, targets) in servers {
            for some in targets.chunks(MOST) {
                let told = ask(ews, some).await;
                discovery.learn_zones(told).await;
            }
        }
    };
    if timeout(PATIENCE, asking).await.is_err() {
        // So that not every homes to come waits for them again.
        let late = targets.iter().filter(|target| discovery.is_zone_due(&target.address));
        let late = late.map(|target| (Arc::clone(&target.address), None)).collect();
        discovery.learn_zones(late).await;
    }
    asked
}

async fn ask(ews: &Ews, targets: &[Target]) -> Vec<Told> {
    let mut told = Vec::with_capacity(targets.len());
    let mut alone = Vec::new();
    match in_the_name_of_one(ews, targets).await {
        Ok(zones) => {
            for (target, zone) in targets.iter().zip(zones) {
                match zone {
                    Ok(zone) => told.push((Arc::clone(&target.address), Some(zone))),
                    Err(fault) if fault.next == Next::Denied => alone.push(target),
                    Err(_) => told.push((Arc::clone(&target.address), None)),
                }
            }
        }
        Err(_) => told.extend(targets.iter().map(|one| (Arc::clone(&one.address), None))),
    }
    let mut left = ALONE;
    for target in alone {
        let zones = match left {
            0 => Ok(Vec::new()),
            _ => request(ews, target, std::slice::from_ref(target)).await,
        };
        left = match &zones {
            Err(fault) if !is_about_one(fault) => 0,
            _ => left.saturating_sub(1),
        };
        let zone = zones.ok().and_then(|mut zones| zones.pop()).and_then(Result::ok);
        told.push((Arc::clone(&target.address), zone));
    }
    told
}

/// Any of them can ask for all; where one may not be impersonated, or is gone, another can.
async fn in_the_name_of_one(
    ews: &Ews,
    targets: &[Target],
) -> Result<Vec<Result<Option<Zone>, Fault>>, Fault> {
    let mut last = Fault::retry("nobody to be asked for");
    for asker in targets.iter().take(3) {
        match request(ews, asker, targets).await {
            Err(fault) if is_about_one(&fault) => last = fault,
            answered => return answered,
        }
    }
    Err(last)
}

/// Whether another may be asked all the same: neither the way to the server is broken nor has it
/// enough.
fn is_about_one(fault: &Fault) -> bool {
    codes::is_exchange_code(fault) && !matches!(fault.next, Next::BackOff { .. })
}

async fn request(
    ews: &Ews,
    asker: &Target,
    targets: &[Target],
) -> Result<Vec<Result<Option<Zone>, Fault>>, Fault> {
    let write = |header: &Header<'_>| {
        get_user_availability::zones_request(header, targets.iter().map(|one| &*one.address))
    };
    let read = |xml: &[u8]| get_user_availability::read_zones(xml, targets.len());
    let anchor = Some(Arc::clone(&asker.address));
    let route = Route { anchor, lane: Lane::Crowd, ..Route::default() };
    Ok(ews.ask(asker, &route, write, read).await?.0)
}
