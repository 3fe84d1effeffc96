//! GetUserOofSettings: whether somebody is out of office, and what is answered then
//! ([MS-OXWOOF] 3.1.4.1).
//!
//! Exchange answers for the mailbox of the account that asks only, so each is asked for in its
//! own name (ews-java-api#368).

use super::datetime;
use super::soap::{self, Header};
use super::xml::{Pull, malformed, push_escaped};
use crate::model::{self, Absence, Away, Fault, Plain, Time};

/// Asks for the settings of the mailbox that `header` impersonates.
pub fn request(header: &Header<'_>) -> String {
    soap::envelope(header, "GetUserOofSettingsRequest", "", |out| {
        out.push_str("<t:Mailbox><t:Address>");
        push_escaped(out, header.impersonate.reveal());
        out.push_str("</t:Address></t:Mailbox>");
    })
}

/// Whether replies are sent ([MS-OXWOOF] 2.2.5.2, OofState).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum State {
    /// None are.
    Disabled,
    /// They are, until it is turned off.
    Enabled,
    /// They are, from the start to the end of the duration.
    Scheduled,
    /// What a later Exchange may say.
    #[default]
    Unknown,
}

/// Who gets the external reply ([MS-OXWOOF] 2.2.5.1, ExternalAudience).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audience {
    /// Nobody.
    None,
    /// Senders among the user's contacts.
    Known,
    /// Everybody.
    All,
    /// What a later Exchange may say.
    #[default]
    Unknown,
}

/// What a mailbox is set to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OofSettings {
    /// Whether replies are sent.
    pub state: State,
    /// Who outside gets one.
    pub audience: Audience,
    /// When it begins; of meaning only where it is [`State::Scheduled`].
    pub start: Option<Time>,
    /// When it ends; as above.
    pub end: Option<Time>,
    /// What is sent within the organisation; HTML or text, as it was written.
    pub internal_reply: Plain,
    /// What is sent outside; as above.
    pub external_reply: Plain,
}

impl OofSettings {
    /// When its owner is away, and who is told. A schedule without its two times, or one that
    /// ends before it begins, is none.
    pub fn absence(&self) -> Absence {
        let away = match (self.state, self.start, self.end) {
            (State::Enabled, ..) => Away::Always,
            (State::Scheduled, Some(start), Some(end)) if start < end => Away::Between(start, end),
            _ => Away::No,
        };
        let audience = match self.audience {
            Audience::Known => model::Audience::Known,
            Audience::All => model::Audience::All,
            Audience::None | Audience::Unknown => model::Audience::None,
        };
        Absence { away, audience }
    }
}

/// Reads the answer. Times without an offset are UTC ([MS-OXWOOF] 2.2.4.2).
///
/// # Errors
/// What Exchange says against it, or a malformed answer.
pub fn read(xml: &[u8]) -> Result<OofSettings, Fault> {
    let (mut verdict, mut settings) = (Err(malformed()), None);
    soap::content(xml, |pull, element| {
        match element.name() {
            "ResponseMessage" => verdict = soap::verdict(pull, element)?,
            "OofSettings" => settings = Some(read_settings(pull)?),
            _ => return Ok(false),
        }
        Ok(true)
    })?;
    verdict.and_then(|()| settings.ok_or_else(malformed))
}

fn read_settings(pull: &mut Pull<'_>) -> Result<OofSettings, Fault> {
    let mut settings = OofSettings::default();
    while let Some(element) = pull.child()? {
        match element.name() {
            "OofState" => {
                settings.state = match pull.text()?.trim() {
                    "Disabled" => State::Disabled,
                    "Enabled" => State::Enabled,
                    "Scheduled" => State::Scheduled,
                    _ => State::Unknown,
                };
            }
            "ExternalAudience" => {
                settings.audience = match pull.text()?.trim() {
                    "None" => Audience::None,
                    "Known" => Audience::Known,
                    "All" => Audience::All,
                    _ => Audience::Unknown,
                };
            }
            "Duration" => {
                while let Some(time) = pull.child()? {
                    match time.name() {
                        "StartTime" => settings.start = datetime::read(&pull.text()?),
                        "EndTime" => settings.end = datetime::read(&pull.text()?),
                        _ => pull.skip()?,
                    }
                }
            }
            "InternalReply" => settings.internal_reply = read_reply(pull)?,
            "ExternalReply" => settings.external_reply = read_reply(pull)?,
            _ => pull.skip()?,
        }
    }
    Ok(settings)
}

fn read_reply(pull: &mut Pull<'_>) -> Result<Plain, Fault> {
    let mut reply = Plain::default();
    while let Some(element) = pull.child()? {
        match element.name() {
            "Message" => reply = Plain::new(pull.text()?),
            _ => pull.skip()?,
        }
    }
    Ok(reply)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Next;

    fn answer(content: &str) -> Result<OofSettings, Fault> {
        let xml = format!(
            "<s:Envelope xmlns:s='s'><s:Body><GetUserOofSettingsResponse xmlns='m'>{content}\
             </GetUserOofSettingsResponse></s:Body></s:Envelope>"
        );
        read(xml.as_bytes())
    }

    const GOOD: &str = "<ResponseMessage ResponseClass='Success'>\
        <ResponseCode>NoError</ResponseCode></ResponseMessage>";

    #[test]
    fn settings_are_read_in_any_order_and_what_is_new_is_no_error() {
        let settings = "<t:OofSettings><t:ExternalReply xml:lang='en'><t:Message>&lt;p&gt;Away\
            </t:Message></t:ExternalReply><t:DeclineMeetingReply><t:Message>no</t:Message>\
            </t:DeclineMeetingReply><t:Duration><t:EndTime>2026-01-02T00:00:00+01:00</t:EndTime>\
            <t:StartTime>2026-01-01T00:00:00</t:StartTime></t:Duration><t:InternalReply/>\
            <t:OofState>Scheduled</t:OofState><t:ExternalAudience>Friends</t:ExternalAudience>\
            </t:OofSettings>";
        let expected = OofSettings {
            state: State::Scheduled,
            audience: Audience::Unknown,
            start: datetime::read("2026-01-01T00:00:00Z"),
            end: datetime::read("2026-01-01T23:00:00Z"),
            internal_reply: Plain::default(),
            external_reply: Plain::new("<p>Away"),
        };
        assert_eq!(answer(&format!("{GOOD}{settings}")), Ok(expected.clone()));
        assert_eq!(answer(&format!("{settings}{GOOD}")), Ok(expected));
    }

    #[test]
    fn an_absence_is_what_is_set_and_a_schedule_has_both_its_ends() {
        let at = |minute: i64| Some(Time::from_ms(minute * 60_000));
        let set = |state, start, end| OofSettings { state, start, end, ..OofSettings::default() };
        let of = |settings: OofSettings| settings.absence().away;
        assert_eq!(of(set(State::Enabled, at(1), at(2))), Away::Always);
        let between = Away::Between(Time::from_ms(60_000), Time::from_ms(120_000));
        assert_eq!(of(set(State::Scheduled, at(1), at(2))), between);
        for (start, end) in [(at(2), at(1)), (at(1), None), (None, at(1)), (at(1), at(1))] {
            assert_eq!(of(set(State::Scheduled, start, end)), Away::No);
        }
        assert_eq!(of(set(State::Disabled, at(1), at(2))), Away::No);
        assert_eq!(of(set(State::Unknown, at(1), at(2))), Away::No);
        let all = OofSettings { audience: Audience::All, ..OofSettings::default() };
        assert_eq!(all.absence().audience, model::Audience::All);
    }

    #[test]
    fn a_mailbox_is_asked_for_in_its_own_name() {
        let address = crate::model::Address::parse("o'hara&sons@corp.example").unwrap();
        let version = soap::ServerVersion::Exchange2013Sp1;
        let xml = request(&Header { version, impersonate: &address });
        assert_eq!(xml.matches("o'hara&amp;sons@corp.example").count(), 2);
        assert!(xml.contains("<m:GetUserOofSettingsRequest><t:Mailbox><t:Address>"));
    }

    #[test]
    fn settings_without_a_good_message_are_none() {
        let denied = "<ResponseMessage ResponseClass='Error'><ResponseCode>ErrorAccessDenied\
            </ResponseCode></ResponseMessage><OofSettings><OofState>Enabled</OofState>\
            </OofSettings>";
        assert_eq!(answer(denied), Err(Fault::new(Next::Denied, "ErrorAccessDenied")));
        assert_eq!(answer("<OofSettings/>"), Err(malformed()));
        assert_eq!(answer(GOOD), Err(malformed()));
        assert_eq!(answer(""), Err(malformed()));
    }
}
