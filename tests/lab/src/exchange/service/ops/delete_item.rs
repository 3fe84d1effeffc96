//! DeleteItem, MS-OXWSCORE 3.1.4.3: items and occurrences, with or without cancellations.

use super::letters;
use crate::exchange::service::envelope::Failure;
use crate::exchange::service::meetings::{Audience, Heard};
use crate::exchange::service::request::{Refusal, Reply, Request, invalid};
use crate::exchange::service::tree::Node;
use crate::exchange::service::world::{Happening, World};

pub(super) fn answer(request: &Request<'_>) -> Result<Reply, Refusal> {
    let how = match request.body.attribute("DeleteType") {
        Some("MoveToDeletedItems") => Happening::MovedAway,
        Some("HardDelete" | "SoftDelete") => Happening::Deleted,
        _ => return Err(invalid("The 'DeleteType' attribute is invalid.")),
    };
    let audience = match request.body.attribute("SendMeetingCancellations") {
        Some("SendToNone") => Some(Audience::Nobody),
        Some("SendOnlyToAll" | "SendToAllAndSaveCopy") => Some(Audience::All),
        None => None,
        Some(_) => return Err(invalid("The 'SendMeetingCancellations' attribute is invalid.")),
    };
    let mut world = request.shared.world();
    let ids = request.body.list("ItemIds");
    let done: Vec<_> = ids
        .iter()
        .map(|id| {
            if let Some(gone) = letter(request, &mut world, id) {
                return gone;
            }
            let audience = audience.as_ref();
            let audience =
                audience.ok_or_else(|| Failure::of("ErrorSendMeetingCancellationsRequired"))?;
            delete(request, &mut world, id, how, audience)
        })
        .collect();
    Ok(Reply::each("DeleteItem", done, |_, ()| {}))
}

fn delete(
    request: &Request<'_>,
    world: &mut World,
    id: &Node,
    how: Happening,
    audience: &Audience,
) -> Result<(), Failure> {
    let named = request.item(world, id)?;
    let (number, item) = (named.number, &named.item);
    let heard = match named.original_ms {
        Some(original) => world.cut_out(number, item.key, original, audience),
        None if *audience == Audience::Nobody || !item.own => {
            world.take(number, item.key, how).map(|_| Heard::default())
        }
        None => world.call_off(number, item.key, how),
    };
    let heard = heard.ok_or_else(|| Failure::of("ErrorItemNotFound"))?;
    let save = request.body.attribute("SendMeetingCancellations") == Some("SendToAllAndSaveCopy");
    world.send(number, &heard, save);
    Ok(())
}

/// Deletes a meeting message, if the id names one.
fn letter(request: &Request<'_>, world: &mut World, id: &Node) -> Option<Result<(), Failure>> {
    let mailbox = world.mailbox_mut(request.acting?)?;
    let key = letters::named(Some(mailbox), id)?.key;
    Some(mailbox.drop_letter(key).ok_or_else(|| Failure::of("ErrorItemNotFound")))
}
