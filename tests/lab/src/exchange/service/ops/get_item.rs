//! GetItem, MS-OXWSCORE 3.1.4.4: items and occurrences by id, each answered by itself.

use uuid::Uuid;

use super::letters;
use crate::exchange::service::envelope::{Failure, Writer};
use crate::exchange::service::render::write_item;
use crate::exchange::service::request::{Named, Refusal, Reply, Request, invalid};
use crate::exchange::service::shape::Shape;
use crate::exchange::service::tree::Node;
use crate::exchange::service::world::World;

/// What an id names.
enum Found {
    Item {
        named: Named,
        guid: Uuid,
        skew_ms: i64,
    },
    /// A meeting message, which is written at once.
    Letter(String),
}

pub(super) fn answer(request: &Request<'_>) -> Result<Reply, Refusal> {
    let node = request.body.child("ItemShape").ok_or_else(|| invalid("ItemShape is missing."))?;
    let mut shape = Shape::read(node).map_err(invalid)?;
    shape.zone = request.zone;
    let wanted = letters::Wanted::read(node, request.zone, false);
    let ids = request.body.list("ItemIds");
    let found: Vec<_> = {
        let world = request.shared.world();
        ids.iter().map(|id| find(request, &world, id, &wanted)).collect()
    };
    Ok(Reply::each("GetItem", found, |out, found| {
        out.open("m:Items");
        match found {
            Found::Letter(text) => out.text.push_str(&text),
            Found::Item { named, guid, skew_ms } => {
                shape.skew_ms = skew_ms;
                if let Some(shown) = named.instance() {
                    write_item(out, guid, &shown, &shape);
                }
            }
        }
        out.close("m:Items");
    }))
}

fn find(
    request: &Request<'_>,
    world: &World,
    id: &Node,
    wanted: &letters::Wanted,
) -> Result<Found, Failure> {
    let own = request.acting.and_then(|number| world.mailbox(number));
    if let Some((letter, mailbox)) = letters::named(own, id).zip(own) {
        let mut out = Writer::default();
        letters::write(&mut out, mailbox, letter, wanted);
        return Ok(Found::Letter(out.text));
    }
    let named = request.item(world, id)?;
    let mailbox = world.mailbox(named.number).ok_or_else(|| Failure::of("ErrorItemNotFound"))?;
    if let Some(code) = mailbox.spoilt.get(&named.item.key) {
        return Err(Failure::of(code));
    }
    Ok(Found::Item { named, guid: mailbox.guid, skew_ms: mailbox.skew_ms })
}
