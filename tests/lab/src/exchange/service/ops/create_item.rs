//! CreateItem, MS-OXWSCORE and MS-OXWSMTGS: calendar items, and answers to meetings.

use super::letters;
use crate::exchange::service::draft::Response;
use crate::exchange::service::envelope::{Failure, Writer};
use crate::exchange::service::letters::About;
use crate::exchange::service::mailbox::CALENDAR;
use crate::exchange::service::mails::Answer;
use crate::exchange::service::meetings::Audience;
use crate::exchange::service::render::write_item;
use crate::exchange::service::request::{Named, Refusal, Reply, Request, invalid};
use crate::exchange::service::shape::Shape;
use crate::exchange::service::tree::Node;
use crate::exchange::service::world::{Happening, World};
use crate::exchange::service::write;

/// What was made: an item, or nothing that can be named.
type Made = Option<(usize, u64)>;

pub(super) fn answer(request: &Request<'_>) -> Result<Reply, Refusal> {
    let mut made = Vec::new();
    for node in request.body.list("Items") {
        let result = match node.name.as_str() {
            "CalendarItem" => create(request, node),
            "AcceptItem" => respond(request, node, Response::Accept),
            "TentativelyAcceptItem" => respond(request, node, Response::Tentative),
            "DeclineItem" => respond(request, node, Response::Decline),
            "CancelCalendarItem" => cancel(request, node),
            _ => Err(Failure::of("ErrorInvalidItemForOperationCreateItem").into()),
        };
        made.push(match result {
            Ok(made) => Ok(made),
            Err(Refusal::Fault(failure)) => Err(failure),
            Err(refusal) => return Err(refusal),
        });
    }
    let world = request.shared.world();
    Ok(Reply::each("CreateItem", made, |out, made| write_made(out, &world, made)))
}

fn write_made(out: &mut Writer, world: &World, made: Made) {
    out.open("m:Items");
    if let Some((number, key)) = made
        && let Some(mailbox) = world.mailbox(number)
        && let Some(item) = mailbox.get(key)
    {
        write_item(out, mailbox.guid, &item.whole(), &Shape::id_only());
    }
    out.close("m:Items");
}

fn create(request: &Request<'_>, node: &Node) -> Result<Made, Refusal> {
    let audience = match request.body.attribute("SendMeetingInvitations") {
        Some("SendToNone") => Audience::Nobody,
        Some("SendOnlyToAll" | "SendToAllAndSaveCopy") => Audience::All,
        None => return Err(Failure::of("ErrorSendMeetingInvitationsRequired").into()),
        Some(_) => return Err(invalid("The 'SendMeetingInvitations' attribute is invalid.")),
    };
    let draft = write::new_draft(request, node)?;
    let wants_series = draft.recurrence.is_some();
    let mut world = request.shared.world();
    let target = request.body.child("SavedItemFolderId").and_then(|saved| saved.children.first());
    let number = match target {
        None => request.acting(&world)?.0,
        Some(target) => {
            let (number, folder) = request.folder(&world, target)?;
            if folder != CALENDAR {
                // Nobody is invited to what stands beside the calendar.
                let key = world.put(number, folder, draft);
                let key = key.ok_or_else(|| Failure::of("ErrorInvalidParentFolder"))?;
                return Ok(Some((number, key)));
            }
            number
        }
    };
    let (key, heard) =
        world.create(number, draft, &audience).ok_or_else(|| Failure::of("ErrorItemSave"))?;
    let item = world.item(number, key);
    if wants_series && item.is_some_and(|item| item.series.is_none()) {
        world.take(number, key, Happening::Deleted);
        return Err(Failure::of("ErrorRecurrenceHasNoOccurrence").into());
    }
    let save = request.body.attribute("SendMeetingInvitations") == Some("SendToAllAndSaveCopy");
    world.send(number, &heard, save);
    Ok(Some((number, key)))
}

fn respond(request: &Request<'_>, node: &Node, response: Response) -> Result<Made, Refusal> {
    let (tell, save) = match request.body.attribute("MessageDisposition") {
        Some("SendOnly") => (true, false),
        Some("SendAndSaveCopy") => (true, true),
        Some("SaveOnly") => (false, false),
        _ => return Err(Failure::of("ErrorMessageDispositionRequired").into()),
    };
    let verb = match response {
        Response::Accept => "Accept",
        Response::Tentative => "Tentative",
        _ => "Decline",
    };
    let refused = |why: &str| Failure::of(&format!("ErrorCalendarIs{why}For{verb}"));
    let mut world = request.shared.world();
    let named = answered(request, &world, node)?;
    if named.item.own {
        return Err(refused("Organizer").into());
    }
    if named.instance().is_some_and(|shown| shown.cancelled) {
        return Err(refused("Cancelled").into());
    }
    let (number, key) = (named.number, named.item.key);
    world
        .answer(number, key, named.original_ms, response, tell)
        .ok_or_else(|| Failure::of("ErrorItemNotFound"))?;
    if tell {
        let comment = node.child("Body").map(|body| {
            let is_html = body.attribute("BodyType") == Some("HTML");
            (body.text.clone(), is_html)
        });
        let answer = Answer { original_ms: named.original_ms, response, comment };
        world.reply(number, named.item.clone(), answer, save);
    }
    let left = world.item(number, key).is_some();
    Ok(left.then_some((number, key)))
}

/// What is answered: an item of the calendar, by its own id or by that of an invitation to it.
fn answered(request: &Request<'_>, world: &World, node: &Node) -> Result<Named, Refusal> {
    let reference = node.child("ReferenceItemId");
    let reference =
        reference.ok_or_else(|| Failure::of("ErrorMissingInformationReferenceItemId"))?;
    let own = request.acting.and_then(|number| world.mailbox(number).zip(Some(number)));
    let Some((mailbox, number)) = own else { return Ok(request.item(world, reference)?) };
    let Some(letter) = letters::named(Some(mailbox), reference) else {
        return Ok(request.item(world, reference)?);
    };
    if !matches!(letter.about, About::Request { .. }) {
        return Err(Failure::of("ErrorInvalidReferenceItem").into());
    }
    let item = mailbox.with_uid(&letter.item.uid).and_then(|key| mailbox.get(key));
    let item = item.ok_or_else(|| Failure::of("ErrorItemNotFound"))?.clone();
    let original_ms = letter.original_ms.filter(|original| item.occurrence(*original).is_some());
    Ok(Named { number, item, original_ms, seen: None })
}

fn cancel(request: &Request<'_>, node: &Node) -> Result<Made, Refusal> {
    let reference = node.child("ReferenceItemId");
    let reference =
        reference.ok_or_else(|| Failure::of("ErrorMissingInformationReferenceItemId"))?;
    let mut world = request.shared.world();
    let named = request.item(&world, reference)?;
    if !named.item.own || !named.item.is_meeting() {
        return Err(Failure::of("ErrorCalendarIsNotOrganizer").into());
    }
    let heard = match named.original_ms {
        Some(original) => world.cut_out(named.number, named.item.key, original, &Audience::All),
        None => world.call_off(named.number, named.item.key, Happening::MovedAway),
    };
    let heard = heard.ok_or_else(|| Failure::of("ErrorItemNotFound"))?;
    let save = request.body.attribute("MessageDisposition") == Some("SendAndSaveCopy");
    world.send(named.number, &heard, save);
    Ok(None)
}
