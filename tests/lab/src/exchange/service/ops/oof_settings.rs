//! GetUserOofSettings and SetUserOofSettings, MS-OXWOOF 3.1.4: the owner's own only, so they need
//! impersonation.

use crate::exchange::service::envelope::{Failure, Writer};
use crate::exchange::service::item::{date_time, now_ms};
use crate::exchange::service::oof::{Oof, OofAudience, OofState};
use crate::exchange::service::request::{Refusal, Reply, Request, invalid, read_time};
use crate::exchange::service::tree::Node;
use crate::exchange::service::world::World;
use crate::exchange::service::zone::Zone;

/// GetUserOofSettings, 3.1.4.1.
pub(super) fn get(request: &Request<'_>) -> Result<Reply, Refusal> {
    let found = {
        let world = request.shared.world();
        owner(request, &world)?.map(|number| {
            let mailbox = world.mailbox(number);
            mailbox.map(|own| (own.oof(), own.culture().to_owned())).unwrap_or_default()
        })
    };
    let mut reply = answered(found.as_ref().map(|_| ()));
    if let Ok((oof, culture)) = found {
        write(&mut reply.out, &oof, &culture);
    }
    Ok(reply)
}

/// SetUserOofSettings, 3.1.4.2.
pub(super) fn set(request: &Request<'_>) -> Result<Reply, Refusal> {
    let settings = request.body.child("UserOofSettings");
    let settings = settings.ok_or_else(|| missing("UserOofSettings"))?;
    let wanted = read(settings)?;
    let mut world = request.shared.world();
    let result = owner(request, &world)?.and_then(|number| {
        let oof = wanted?;
        if let Some(mailbox) = world.mailbox_mut(number) {
            let kept = mailbox.oof().duration_ms;
            mailbox.set_oof(Oof { duration_ms: oof.duration_ms.or(kept), ..oof });
        }
        Ok(())
    });
    Ok(answered(result.as_ref().copied()))
}

fn missing(name: &str) -> Refusal {
    invalid(format!(
        "The element has incomplete content. List of possible elements expected: '{name}'."
    ))
}

/// The mailbox that is asked for: nobody else's than the one that asks.
fn owner(request: &Request<'_>, world: &World) -> Result<Result<usize, Failure>, Refusal> {
    let mailbox = request.body.child("Mailbox").ok_or_else(|| missing("Mailbox"))?;
    let address = mailbox.text_of("Address").ok_or_else(|| missing("Address"))?;
    Ok(match world.here(address.trim()) {
        None => Err(Failure::of("ErrorMailRecipientNotFound")),
        Some(number) if request.acting != Some(number) => Err(Failure::of("ErrorAccessDenied")),
        Some(number) => Ok(number),
    })
}

fn answered(result: Result<(), &Failure>) -> Reply {
    let code = result.map_or_else(|failure| failure.code.as_str(), |()| "NoError");
    let mut reply = Reply::bare(code);
    let class = if result.is_ok() { "Success" } else { "Error" };
    reply.out.start("m:ResponseMessage", &[("ResponseClass", class)]);
    match result {
        Ok(()) => reply.out.leaf("m:ResponseCode", "NoError"),
        Err(failure) => failure.write(&mut reply.out),
    }
    reply.out.close("m:ResponseMessage");
    reply
}

/// What a client wants; the outer error is what the schema refuses.
fn read(node: &Node) -> Result<Result<Oof, Failure>, Refusal> {
    let state = word(node, "OofState", &OofState::NAMES)?;
    let audience = word(node, "ExternalAudience", &OofAudience::NAMES)?;
    let duration_ms = match node.child("Duration") {
        None => None,
        Some(duration) => {
            let time = |name: &str| {
                let text = duration.text_of(name).ok_or_else(|| missing(name))?;
                let wrong = || invalid(format!("The '{name}' element is invalid."));
                // A time without a zone is in UTC here, whatever the request's context says.
                read_time(text, Zone::utc()).ok_or_else(wrong)
            };
            Some((time("StartTime")?, time("EndTime")?))
        }
    };
    let says = |name: &str| {
        let reply = node.child(name).and_then(|reply| reply.text_of("Message"));
        reply.unwrap_or_default().to_owned()
    };
    if state == OofState::Scheduled
        && !duration_ms.is_some_and(|(from, to)| from < to && to > now_ms())
    {
        let text = "The specified time interval is invalid.";
        return Ok(Err(Failure::new("ErrorInvalidScheduledOofDuration", text)));
    }
    let (internal, external) = (says("InternalReply"), says("ExternalReply"));
    Ok(Ok(Oof { state, audience, duration_ms, internal, external }))
}

fn word<T: Copy>(node: &Node, name: &str, words: &[(&str, T)]) -> Result<T, Refusal> {
    let text = node.text_of(name).ok_or_else(|| missing(name))?;
    let found = words.iter().find(|(word, _)| *word == text.trim());
    found.map(|(_, value)| *value).ok_or_else(|| {
        invalid(format!(
            "The '{name}' element is invalid - The value '{text}' is invalid according to its \
             datatype."
        ))
    })
}

fn write(out: &mut Writer, oof: &Oof, culture: &str) {
    out.open("t:OofSettings");
    out.leaf("t:OofState", oof.state.name());
    out.leaf("t:ExternalAudience", oof.audience.name());
    let (from, to) = oof.duration();
    out.open("t:Duration");
    out.leaf("t:StartTime", &date_time(from, None));
    out.leaf("t:EndTime", &date_time(to, None));
    out.close("t:Duration");
    for (tag, text) in [("t:InternalReply", &oof.internal), ("t:ExternalReply", &oof.external)] {
        out.start(tag, &[("xml:lang", culture)]);
        out.leaf("t:Message", text);
        out.close(tag);
    }
    out.close("t:OofSettings");
    out.leaf("m:AllowExternalOof", "All");
}
