//! GetUserConfiguration, MS-OXWSUSRCFG: what a program keeps about a mailbox in one of its folders.
//! Here that is what Outlook on the web keeps: the time zone, once somebody has chosen one.

use crate::exchange::service::envelope::Failure;
use crate::exchange::service::request::{Refusal, Reply, Request, invalid};

const NAME: &str = "OWA.UserOptions";

pub(super) fn answer(request: &Request<'_>) -> Result<Reply, Refusal> {
    let node = request.body.child("UserConfigurationName");
    let node = node.ok_or_else(|| invalid("UserConfigurationName is missing."))?;
    let folder = node.children.first().ok_or_else(|| invalid("A folder is missing."))?;
    let found = {
        let world = request.shared.world();
        request.folder(&world, folder).and_then(|(number, folder)| {
            let mailbox = world.mailbox(number);
            let zone = mailbox.filter(|_| folder == 0).and_then(|mailbox| mailbox.zone);
            let zone = zone.filter(|_| node.attribute("Name") == Some(NAME));
            let id = mailbox.map(|mailbox| mailbox.folder(folder).encode());
            zone.zip(id).ok_or_else(|| Failure::of("ErrorItemNotFound"))
        })
    };
    Ok(Reply::each("GetUserConfiguration", [found], |out, (zone, id)| {
        out.open("m:UserConfiguration");
        out.start("t:UserConfigurationName", &[("Name", NAME)]);
        out.empty("t:FolderId", &[("Id", &id)]);
        out.close("t:UserConfigurationName");
        out.open("t:Dictionary");
        out.open("t:DictionaryEntry");
        for (tag, value) in [("t:DictionaryKey", "timezone"), ("t:DictionaryValue", &zone.id)] {
            out.open(tag);
            out.leaf("t:Type", "String");
            out.leaf("t:Value", value);
            out.close(tag);
        }
        out.close("t:DictionaryEntry");
        out.close("t:Dictionary");
        out.close("m:UserConfiguration");
    }))
}
