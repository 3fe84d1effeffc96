//! The mailboxes' own time zones, many with one request, once a day. Nobody's calendar waits for
//! them: without its zone a mailbox's window rolls at midnight UTC.

use std::sync::Arc;

use super::get_user_availability::{self, MOST};
use super::soap::Header;
use super::{Ews, codes};
use crate::model::{Address, Fault, Next, Target, Zone};

/// Mailboxes that show others nothing are asked in their own names, so many of them a call; the
/// others wait for their next turn.
const ALONE: usize = 20;

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
    for (_, targets) in servers {
        for some in targets.chunks(MOST) {
            let told = ask(ews, some).await;
            discovery.learn_zones(told).await;
        }
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
    for (at, target) in alone.into_iter().enumerate() {
        let zone = match at < ALONE {
            true => request(ews, target, std::slice::from_ref(target)).await.ok(),
            false => None,
        };
        let zone = zone.and_then(|mut zones| zones.pop()).and_then(Result::ok);
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
            Err(fault) if codes::is_exchange_code(&fault) => last = fault,
            answered => return answered,
        }
    }
    Err(last)
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
    ews.ask_home(asker, write, read).await
}
