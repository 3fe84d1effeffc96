//! GetServerTimeZones: what may be asked without anybody's mailbox ([MS-OXWSGTZ] 3.1.4.1). It shows
//! whether the account is let in, and which Exchange answers.

use super::soap::{self, ServerVersion};
use crate::model::Fault;

/// Asks for the name of one zone that every server has.
pub fn request(version: ServerVersion) -> String {
    let attributes = r#" ReturnFullTimeZoneData="false""#;
    soap::own_envelope(version, "GetServerTimeZones", attributes, |out| {
        out.push_str("<m:Ids><t:Id>UTC</t:Id></m:Ids>");
    })
}

/// Whether it was answered.
///
/// # Errors
/// What Exchange says against it, or a malformed answer.
pub fn read(xml: &[u8]) -> Result<(), Fault> {
    soap::only(soap::answers::<()>(xml, |_, _, ()| Ok(false))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_acted_for() {
        let xml = request(ServerVersion::Exchange2013Sp1);
        assert!(!xml.contains("Impersonation"), "{xml}");
        assert!(xml.contains("<m:GetServerTimeZones ReturnFullTimeZoneData=\"false\">"), "{xml}");
        assert!(xml.contains("Version=\"Exchange2013_SP1\""), "{xml}");
    }
}
