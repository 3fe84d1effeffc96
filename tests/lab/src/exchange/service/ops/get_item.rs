//! GetItem, MS-OXWSCORE 3.1.4.4: items and occurrences by id, each answered by itself.

use crate::exchange::service::envelope::Failure;
use crate::exchange::service::render::write_item;
use crate::exchange::service::request::{Refusal, Reply, Request, invalid};
use crate::exchange::service::shape::Shape;

pub(super) fn answer(request: &Request<'_>) -> Result<Reply, Refusal> {
    let shape = request.body.child("ItemShape").ok_or_else(|| invalid("ItemShape is missing."))?;
    let mut shape = Shape::read(shape).map_err(invalid)?;
    shape.zone = request.zone;
    let ids = request.body.list("ItemIds");
    let found: Vec<_> = {
        let world = request.shared.world();
        ids.iter()
            .map(|id| {
                let named = request.item(&world, id)?;
                let mailbox = world.mailbox(named.number);
                if let Some(code) = mailbox.and_then(|one| one.spoilt.get(&named.item.key)) {
                    return Err(Failure::of(code));
                }
                let guid = mailbox.map(|mailbox| mailbox.guid);
                let skew_ms = mailbox.map_or(0, |mailbox| mailbox.skew_ms);
                Ok((named, guid.ok_or_else(|| Failure::of("ErrorItemNotFound"))?, skew_ms))
            })
            .collect()
    };
    Ok(Reply::each("GetItem", found, |out, (named, guid, skew_ms)| {
        shape.skew_ms = skew_ms;
        out.open("m:Items");
        if let Some(shown) = named.instance() {
            write_item(out, guid, &shown, &shape);
        }
        out.close("m:Items");
    }))
}
