//! SyncFolderItems, MS-OXWSSYNC 3.1.4.2: what changed since a state; of a series only the master.

use std::sync::Arc;

use uuid::Uuid;

use crate::exchange::service::envelope::{Failure, Writer};
use crate::exchange::service::ids::{FolderName, ItemName, KeyKind, SyncState, change_key};
use crate::exchange::service::item::Item;
use crate::exchange::service::mailbox::{CALENDAR, Page, Told};
use crate::exchange::service::render::write_item;
use crate::exchange::service::request::{Refusal, Reply, Request, invalid};
use crate::exchange::service::shape::Shape;
use crate::exchange::service::tree::Node;

pub(super) fn answer(request: &Request<'_>) -> Result<Reply, Refusal> {
    let body = request.body;
    let shape = body.child("ItemShape").ok_or_else(|| invalid("ItemShape is missing."))?;
    let mut shape = Shape::read(shape).map_err(invalid)?.for_lists();
    shape.zone = request.zone;
    let most = body.text_of("MaxChangesReturned").and_then(|most| most.parse().ok());
    let most = most
        .filter(|most| (1..=512).contains(most))
        .ok_or_else(|| invalid("The 'MaxChangesReturned' element is invalid."))?;
    let result = page(request, body, most);
    Ok(Reply::each("SyncFolderItems", [result], |out, (folder, page)| {
        out.leaf("m:SyncState", &page.state.encode(&folder));
        out.flag("m:IncludesLastItemInRange", page.last);
        let ignored = body.list("Ignore");
        out.open("m:Changes");
        for told in &page.told {
            write_change(out, folder.mailbox, told, &shape, ignored);
        }
        out.close("m:Changes");
    }))
}

/// The state of the request again, and no end: what a broken server was seen to answer.
pub(in crate::exchange::service) fn stand_still(body: &Node) -> Reply {
    Reply::each("SyncFolderItems", [Ok::<(), Failure>(())], |out, ()| {
        out.leaf("m:SyncState", body.text_of("SyncState").unwrap_or_default());
        out.flag("m:IncludesLastItemInRange", false);
        out.empty("m:Changes", &[]);
    })
}

fn page(request: &Request<'_>, body: &Node, most: usize) -> Result<(FolderName, Page), Failure> {
    let target = body.child("SyncFolderId").and_then(|target| target.children.first());
    let target = target.ok_or_else(|| Failure::of("ErrorFolderNotFound"))?;
    let world = request.shared.world();
    let (number, folder) = request.folder(&world, target)?;
    let mailbox = world.mailbox(number).ok_or_else(|| Failure::of("ErrorFolderNotFound"))?;
    let name = mailbox.folder(folder);
    let invalid = || Failure::of("ErrorInvalidSyncStateData");
    let state = match body.text_of("SyncState").filter(|state| !state.is_empty()) {
        None => None,
        Some(text) => Some(SyncState::decode(&name, text).ok_or_else(invalid)?),
    };
    if folder != CALENDAR {
        // The other folders are always empty.
        let state = state.unwrap_or_default();
        return Ok((name, Page { told: Vec::new(), state, last: true }));
    }
    Ok((name, mailbox.feed(state, most).ok_or_else(invalid)?))
}

fn write_change(out: &mut Writer, guid: Uuid, told: &Told, shape: &Shape, ignored: &[Node]) {
    let name = |key| ItemName { mailbox: guid, folder: CALENDAR, key, original_ms: None }.encode();
    let is_ignored = |key| {
        !ignored.is_empty() && ignored.iter().any(|id| id.attribute("Id") == Some(&name(key)))
    };
    let item = |out: &mut Writer, tag: &str, item: &Arc<Item>| {
        if !is_ignored(item.key) {
            out.open(tag);
            write_item(out, guid, &item.whole(), shape);
            out.close(tag);
        }
    };
    match told {
        Told::Create(new) => item(out, "t:Create", new),
        Told::Update(changed) => item(out, "t:Update", changed),
        Told::Delete(key) => {
            out.open("t:Delete");
            let change = change_key(KeyKind::CalendarItem, &guid, 0);
            out.empty("t:ItemId", &[("Id", &name(*key)), ("ChangeKey", &change)]);
            out.close("t:Delete");
        }
    }
}
