//! Subscribe and Unsubscribe, MS-OXWSNTIF: streaming subscriptions only.

use std::sync::Arc;

use base64::Engine;
use uuid::Uuid;

use crate::exchange::service::envelope::Failure;
use crate::exchange::service::request::{Refusal, Reply, Request, invalid};
use crate::exchange::service::subscription::{EventKind, Subscription};
use crate::exchange::service::tree::Node;

pub(super) fn answer(request: &Request<'_>) -> Result<Reply, Refusal> {
    let Some(wanted) = request.body.child("StreamingSubscriptionRequest") else {
        if request.body.children.is_empty() {
            return Err(invalid("The element 'Subscribe' has incomplete content."));
        }
        let failure = Failure::new(
            "ErrorInvalidSubscriptionRequest",
            "Pull and push subscriptions are not offered by this server.",
        );
        return Ok(Reply::each("Subscribe", [Err::<(), _>(failure)], |_, ()| {}));
    };
    let mut kinds = Vec::new();
    for event in wanted.list("EventTypes") {
        let name = event.text.trim();
        match EventKind::named(name) {
            Some(kind) => kinds.push(kind),
            None if matches!(name, "CopiedEvent" | "NewMailEvent") => {}
            None => return Err(invalid(format!("The 'EventType' element is invalid - '{name}'."))),
        }
    }
    let result = subscribe(request, wanted, kinds);
    Ok(Reply::each("Subscribe", [result], |out, id| out.leaf("m:SubscriptionId", &id)))
}

fn subscribe(
    request: &Request<'_>,
    wanted: &Node,
    kinds: Vec<EventKind>,
) -> Result<Arc<str>, Failure> {
    let mut world = request.shared.world();
    let (number, _) = request.acting(&world)?;
    let folders = match wanted.child("FolderIds") {
        None if wanted.attribute("SubscribeToAllFolders") == Some("true") => None,
        None => return Err(Failure::of("ErrorInvalidSubscriptionRequest")),
        Some(list) => {
            let folders = list.children.iter().map(|node| request.folder(&world, node));
            let folders: Vec<_> = folders.collect::<Result<_, _>>()?;
            Some(folders.into_iter().map(|(_, folder)| folder).collect())
        }
    };
    let back_end = request.call.back_end;
    let id: Arc<str> = subscription_id(back_end, world.unique()).into();
    let most = request.shared.settings.max_subscriptions;
    let Some(mailbox) = world.mailbox_mut(number) else {
        return Err(Failure::of("ErrorNonExistentMailbox"));
    };
    if mailbox.subscriptions.len() >= most {
        return Err(Failure::of("ErrorExceededSubscriptionCount"));
    }
    mailbox.subscriptions.push(id.clone());
    world.desk.add(id.clone(), Subscription::new(number, folders, kinds, back_end));
    Ok(id)
}

/// A real one names its server and carries a GUID.
fn subscription_id(back_end: usize, unique: Uuid) -> String {
    let host = format!("ex{:02}.corp.example", back_end + 1);
    let mut bytes = vec![u8::try_from(host.len()).unwrap_or(0), 0];
    bytes.extend_from_slice(host.as_bytes());
    bytes.extend_from_slice(&[16, 0, 0, 0]);
    bytes.extend_from_slice(unique.as_bytes());
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

pub(super) fn end(request: &Request<'_>) -> Result<Reply, Refusal> {
    let id = request.body.text_of("SubscriptionId").unwrap_or_default();
    let mut world = request.shared.world();
    let back_end = request.call.back_end;
    let is_here = world.desk.get(id).is_some_and(|known| known.back_end == back_end);
    let removed =
        if is_here { world.desk.remove(id, Some("ErrorSubscriptionUnsubscribed")) } else { None };
    let result = match removed {
        None => Err(Failure::of("ErrorSubscriptionNotFound")),
        Some(subscription) => {
            if let Some(mailbox) = world.mailbox_mut(subscription.mailbox) {
                mailbox.subscriptions.retain(|own| &**own != id);
            }
            Ok(())
        }
    };
    Ok(Reply::each("Unsubscribe", [result], |_, ()| {}))
}
