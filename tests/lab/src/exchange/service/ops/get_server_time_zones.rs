//! `GetServerTimeZones`: the names of the zones that were asked for, in nobody's name.

use crate::exchange::service::request::{Refusal, Reply, Request};

/// The zones that are known here.
const ZONES: [(&str, &str); 2] = [
    ("UTC", "(UTC) Coordinated Universal Time"),
    ("W. Europe Standard Time", "(UTC+01:00) Amsterdam, Berlin, Bern, Rome, Stockholm, Vienna"),
];

pub(super) fn answer(request: &Request<'_>) -> Result<Reply, Refusal> {
    let asked: Vec<&str> = request.body.list("Ids").iter().map(|id| id.text.trim()).collect();
    let all = asked.is_empty();
    let known = ZONES.iter().filter(|(id, _)| all || asked.contains(id));
    let known: Vec<_> = known.collect();
    Ok(Reply::each("GetServerTimeZones", [Ok::<_, _>(known)], |out, known| {
        out.open("m:TimeZoneDefinitions");
        for (id, name) in known {
            out.empty("t:TimeZoneDefinition", &[("Id", *id), ("Name", *name)]);
        }
        out.close("m:TimeZoneDefinitions");
    }))
}
