//! GetUserOofSettings, MS-OXWSOOF: the owner's own only, so it needs impersonation.

use crate::exchange::service::envelope::{Failure, Writer};
use crate::exchange::service::item::{date_time, now_ms};
use crate::exchange::service::request::{Refusal, Reply, Request};

pub(super) fn answer(request: &Request<'_>) -> Result<Reply, Refusal> {
    let address = request.body.child("Mailbox").and_then(|mailbox| mailbox.text_of("Address"));
    let result = {
        let world = request.shared.world();
        match address.and_then(|address| world.here(address)) {
            None => Err(Failure::of("ErrorMailRecipientNotFound")),
            Some(number) if request.acting != Some(number) => Err(Failure::of("ErrorAccessDenied")),
            Some(_) => Ok(()),
        }
    };
    let mut reply = Reply::bare("NoError");
    match result {
        Err(failure) => {
            reply.code.clone_from(&failure.code);
            reply.out.start("m:ResponseMessage", &[("ResponseClass", "Error")]);
            failure.write(&mut reply.out);
            reply.out.close("m:ResponseMessage");
        }
        Ok(()) => write(&mut reply.out),
    }
    Ok(reply)
}

fn write(out: &mut Writer) {
    out.start("m:ResponseMessage", &[("ResponseClass", "Success")]);
    out.leaf("m:ResponseCode", "NoError");
    out.close("m:ResponseMessage");
    out.open("t:OofSettings");
    out.leaf("t:OofState", "Disabled");
    out.leaf("t:ExternalAudience", "All");
    let hour = now_ms() - now_ms().rem_euclid(3_600_000);
    out.open("t:Duration");
    out.leaf("t:StartTime", &date_time(hour, None));
    out.leaf("t:EndTime", &date_time(hour + 86_400_000, None));
    out.close("t:Duration");
    for tag in ["t:InternalReply", "t:ExternalReply"] {
        out.open(tag);
        out.leaf("t:Message", "");
        out.close(tag);
    }
    out.close("t:OofSettings");
    out.leaf("m:AllowExternalOof", "All");
}
