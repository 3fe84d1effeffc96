//! ConvertId, MS-OXWSCVTID: between the formats of ids. Clients use it to learn the server version.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

use crate::exchange::service::envelope::Failure;
use crate::exchange::service::ids::{FolderName, ItemName, hex};
use crate::exchange::service::request::{Refusal, Reply, Request, invalid};
use crate::exchange::service::tree::Node;
use crate::exchange::service::world::World;

const FORMATS: [&str; 6] = ["EwsLegacyId", "EwsId", "EntryId", "HexEntryId", "StoreId", "OwaId"];

pub(super) fn answer(request: &Request<'_>) -> Result<Reply, Refusal> {
    let target = request.body.attribute("DestinationFormat").unwrap_or_default();
    if !FORMATS.contains(&target) {
        return Err(invalid("The 'DestinationFormat' attribute is invalid."));
    }
    let sources = request.body.list("SourceIds");
    let world = request.shared.world();
    let converted = sources.iter().map(|source| convert(&world, source, target));
    Ok(Reply::each("ConvertId", converted, |out, (id, mailbox)| {
        let attributes = [
            ("xsi:type", "t:AlternateIdType"),
            ("Format", target),
            ("Id", id.as_str()),
            ("Mailbox", mailbox.as_str()),
        ];
        out.empty("m:AlternateId", &attributes);
    }))
}

fn convert(world: &World, source: &Node, target: &str) -> Result<(String, String), Failure> {
    let malformed = || Failure::of("ErrorInvalidIdMalformed");
    let id = source.attribute("Id").unwrap_or_default();
    let mailbox = source.attribute("Mailbox").filter(|mailbox| !mailbox.is_empty());
    mailbox.ok_or_else(malformed)?;
    let ews = match source.attribute("Format") {
        Some("EwsId" | "OwaId") => id.replace('-', "/").replace('_', "+"),
        Some("StoreId" | "EntryId" | "EwsLegacyId") => id.to_owned(),
        Some("HexEntryId") => BASE64.encode(unhex(id).ok_or_else(malformed)?),
        _ => return Err(malformed()),
    };
    let folder = FolderName::decode(&ews).map(|name| name.mailbox);
    let guid = folder.or_else(|| ItemName::decode(&ews).map(|name| name.mailbox));
    // Whatever address was sent along: there are clients that learn their own in this way.
    let number = guid.and_then(|guid| world.number_of_guid(&guid)).ok_or_else(malformed)?;
    let mailbox = world.mailbox(number).map(|own| own.address.to_string()).unwrap_or_default();
    let converted = match target {
        "OwaId" => ews.replace('/', "-").replace('+', "_"),
        "HexEntryId" => hex(&BASE64.decode(&ews).map_err(|_| malformed())?),
        _ => ews,
    };
    Ok((converted, mailbox))
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let pairs = text.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}
