//! GetStreamingEvents, MS-OXWSNTIF: the checks before a stream is opened.

use std::sync::Arc;
use std::time::Duration;

use crate::exchange::service::envelope::Failure;
use crate::exchange::service::request::{Refusal, Request, invalid};
use crate::exchange::service::stream::{EventStream, Opening};

/// Opens the stream that a request asks for.
pub(in crate::exchange::service) fn open(request: &Request<'_>) -> Result<EventStream, Refusal> {
    let minutes = request.body.text_of("ConnectionTimeout").and_then(|text| text.parse().ok());
    let minutes: u64 = minutes
        .filter(|minutes| (1..=30).contains(minutes))
        .ok_or_else(|| invalid("The 'ConnectionTimeout' element is invalid."))?;
    let wanted = request.body.list("SubscriptionIds");
    if wanted.is_empty() {
        return Err(invalid("The element 'SubscriptionIds' has incomplete content."));
    }
    let (mut ids, mut bad) = (Vec::new(), Vec::new());
    {
        let world = request.shared.world();
        if let Some(number) = request.acting {
            let open = world.mailbox(number).map_or(0, |mailbox| mailbox.open_streams);
            if open >= request.shared.settings.hanging_connection_limit {
                let failure = Failure::of("ErrorExceededConnectionCount");
                return Err(failure.with("BackOffMilliseconds", "0").into());
            }
        }
        for node in wanted {
            let id = node.text.trim();
            match world.desk.get(id) {
                Some(known) if known.back_end == request.call.back_end => {
                    ids.push(Arc::<str>::from(id));
                }
                _ => bad.push(id.to_owned()),
            }
        }
    }
    let opening = Opening {
        number: request.acting,
        mailbox: request.mailbox.clone(),
        ids,
        bad,
        lifetime: Duration::from_secs(minutes * 60),
        prefer_affinity_cookie: request.affinity,
    };
    Ok(EventStream::open(request.shared.clone(), opening))
}
