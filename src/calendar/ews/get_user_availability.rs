//! GetUserAvailability: when people and rooms are free ([MS-OXWAVLS] 3.1.4.1).
//!
//! Only the answer; the request comes with the commands that look for a time.

use super::datetime;
use super::soap;
use super::xml::{Pull, malformed};
use crate::model::{Fault, Time};

/// How somebody is engaged ([MS-OXWSCDATA], LegacyFreeBusyType).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum BusyType {
    /// Not at all.
    Free,
    /// Perhaps.
    Tentative,
    /// In a meeting.
    Busy,
    /// Out of office.
    Away,
    /// At work in another place.
    Elsewhere,
    /// Nothing is known, or what a later Exchange may say.
    #[default]
    Unknown,
}

/// One engagement. What it is about is left out, even where Exchange tells it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Engagement {
    /// When it begins.
    pub start: Time,
    /// When it ends, not before it begins.
    pub end: Time,
    /// How it engages.
    pub busy: BusyType,
}

/// When one mailbox is free. What is absent was not asked for, or may not be seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Availability {
    /// A digit for each interval of the window: 0 is free, 1 tentative, 2 busy, 3 away; higher
    /// ones vary with the version of the server.
    pub merged: Option<String>,
    /// The engagements, as Exchange orders them.
    pub engagements: Vec<Engagement>,
}

/// One answer for each mailbox, in the order asked. Times without an offset are in the zone that
/// the request named: it asks in UTC.
///
/// # Errors
/// Where the answer as a whole is of no use. What Exchange says against one mailbox stands in its
/// place.
pub fn read(xml: &[u8]) -> Result<Vec<Result<Availability, Fault>>, Fault> {
    let mut mailboxes = Vec::new();
    soap::content(xml, |pull, element| {
        if element.name() != "FreeBusyResponseArray" {
            return Ok(false);
        }
        while pull.child()?.is_some() {
            mailboxes.push(read_mailbox(pull)?);
        }
        Ok(true)
    })?;
    if mailboxes.is_empty() { Err(malformed()) } else { Ok(mailboxes) }
}

/// The first error is malformed XML, the second what is said about the mailbox.
fn read_mailbox(pull: &mut Pull<'_>) -> Result<Result<Availability, Fault>, Fault> {
    let (mut verdict, mut view) = (Err(malformed()), None);
    while let Some(element) = pull.child()? {
        match element.name() {
            "ResponseMessage" => verdict = soap::verdict(pull, &element)?,
            "FreeBusyView" => view = Some(read_view(pull)?),
            _ => pull.skip()?,
        }
    }
    Ok(verdict.and_then(|()| view.ok_or_else(malformed)))
}

fn read_view(pull: &mut Pull<'_>) -> Result<Availability, Fault> {
    let mut view = Availability::default();
    while let Some(element) = pull.child()? {
        match element.name() {
            "MergedFreeBusy" => {
                view.merged = Some(pull.text()?.trim().to_owned()).filter(|text| !text.is_empty());
            }
            "CalendarEventArray" => {
                while pull.child()?.is_some() {
                    view.engagements.extend(read_engagement(pull)?);
                }
            }
            _ => pull.skip()?,
        }
    }
    Ok(view)
}

/// Nothing where it has no times: it engages nobody.
fn read_engagement(pull: &mut Pull<'_>) -> Result<Option<Engagement>, Fault> {
    let (mut start, mut end, mut busy) = (None, None, BusyType::default());
    while let Some(element) = pull.child()? {
        match element.name() {
            "StartTime" => start = datetime::read(&pull.text()?),
            "EndTime" => end = datetime::read(&pull.text()?),
            "BusyType" => {
                busy = match pull.text()?.trim() {
                    "Free" => BusyType::Free,
                    "Tentative" => BusyType::Tentative,
                    "Busy" => BusyType::Busy,
                    "OOF" => BusyType::Away,
                    "WorkingElsewhere" => BusyType::Elsewhere,
                    _ => BusyType::Unknown,
                };
            }
            _ => pull.skip()?,
        }
    }
    let (Some(start), Some(end)) = (start, end) else { return Ok(None) };
    Ok(Some(Engagement { start, end: end.max(start), busy }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::Next;

    fn answer(content: &str) -> Result<Vec<Result<Availability, Fault>>, Fault> {
        let xml = format!(
            "<s:Envelope xmlns:s='s'><s:Body><GetUserAvailabilityResponse xmlns='m'>{content}\
             </GetUserAvailabilityResponse></s:Body></s:Envelope>"
        );
        read(xml.as_bytes())
    }

    fn mailbox(code: &str, view: &str) -> String {
        format!(
            "<FreeBusyResponse><ResponseMessage ResponseClass='x'><ResponseCode>{code}\
             </ResponseCode></ResponseMessage>{view}</FreeBusyResponse>"
        )
    }

    fn event(start: &str, end: &str, busy: &str) -> String {
        format!(
            "<t:CalendarEvent><t:StartTime>{start}</t:StartTime><t:EndTime>{end}</t:EndTime>\
             <t:BusyType>{busy}</t:BusyType><t:CalendarEventDetails><t:Subject>x</t:Subject>\
             </t:CalendarEventDetails></t:CalendarEvent>"
        )
    }

    #[test]
    fn a_mailbox_that_failed_does_not_fail_its_neighbours() {
        let none = "<FreeBusyView><t:FreeBusyViewType>None</t:FreeBusyViewType></FreeBusyView>";
        let merged = "<FreeBusyView><t:MergedFreeBusy>0123</t:MergedFreeBusy></FreeBusyView>";
        let all = [
            mailbox("ErrorMailRecipientNotFound", none),
            mailbox("NoError", merged),
            mailbox("ErrorNoFreeBusyAccess", ""),
            mailbox("NoError", none),
            mailbox("NoError", ""),
            "<FreeBusyResponse/>".to_owned(),
        ];
        let content = format!(
            "<SuggestionsResponse><ResponseMessage ResponseClass='Error'/></SuggestionsResponse>\
             <FreeBusyResponseArray>{}</FreeBusyResponseArray>",
            all.concat()
        );
        let expected = [
            Err(Fault::new(Next::Gone, "ErrorMailRecipientNotFound")),
            Ok(Availability { merged: Some("0123".to_owned()), engagements: vec![] }),
            Err(Fault::new(Next::Denied, "ErrorNoFreeBusyAccess")),
            Ok(Availability::default()),
            Err(malformed()),
            Err(malformed()),
        ];
        assert_eq!(answer(&content).unwrap(), expected);
        assert_eq!(answer("<FreeBusyResponseArray/>"), Err(malformed()));
        assert_eq!(answer(""), Err(malformed()));
    }

    #[test]
    fn engagements_have_times_and_a_kind() {
        let (noon, one) = ("2026-01-01T12:00:00Z", "2026-01-01T13:00:00Z");
        let events = [
            event("2026-01-01T12:00:00", "2026-01-01T14:00:00+01:00", "OOF"),
            event(noon, one, "WorkingElsewhere"),
            event("soon", one, "Busy"),
            event(one, noon, "OfALaterExchange"),
        ];
        let view = format!(
            "<FreeBusyView><t:CalendarEventArray>{}</t:CalendarEventArray></FreeBusyView>",
            events.concat()
        );
        let content = mailbox("NoError", &view);
        let found = answer(&format!("<FreeBusyResponseArray>{content}</FreeBusyResponseArray>"));
        let time = |text| datetime::read(text).unwrap();
        let engagement = |start, end, busy| Engagement { start: time(start), end: time(end), busy };
        let expected = vec![
            engagement(noon, one, BusyType::Away),
            engagement(noon, one, BusyType::Elsewhere),
            engagement(one, one, BusyType::Unknown),
        ];
        assert_eq!(found, Ok(vec![Ok(Availability { merged: None, engagements: expected })]));
    }
}
