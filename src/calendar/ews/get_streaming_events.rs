//! GetStreamingEvents: one open answer that tells of events in up to 200 mailboxes
//! ([MS-OXWSNTIF] 3.1.4.2).

use std::fmt::Write as _;

use super::soap::{self, Header};
use super::xml::{Pull, push_escaped};
use crate::model::Fault;

/// The most subscriptions of one stream.
pub const MOST: usize = 200;

/// How long the server keeps the answer open; it allows 1 to 30 minutes. Whoever reads it leaves
/// before.
const MINUTES: u32 = 30;

/// Opens a stream.
pub fn request<'a>(header: &Header<'_>, ids: impl IntoIterator<Item = &'a str>) -> String {
    soap::envelope(header, "GetStreamingEvents", "", |out| {
        out.push_str("<m:SubscriptionIds>");
        for id in ids {
            out.push_str("<t:SubscriptionId>");
            push_escaped(out, id);
            out.push_str("</t:SubscriptionId>");
        }
        out.push_str("</m:SubscriptionIds>");
        let _ = write!(out, "<m:ConnectionTimeout>{MINUTES}</m:ConnectionTimeout>");
    })
}

/// What one envelope of a stream tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StreamEvent {
    /// The stream stands. Once, before anything else that is good.
    Opened,
    /// It still stands.
    Heartbeat,
    /// Something about a subscription.
    Notification {
        /// Which.
        subscription_id: String,
        /// Whether anything changed: a status event alone changes nothing.
        changed: bool,
    },
    /// The server ends the stream, as it does after the minutes that were asked for.
    Closed,
    /// Something is wrong, whatever the connection's status says.
    Error {
        /// What it means.
        fault: Fault,
        /// Which subscriptions are meant; none where the server does not say.
        ids: Vec<String>,
    },
}

impl StreamEvent {
    /// What is wrong, where something is.
    pub fn fault(&self) -> Option<&Fault> {
        match self {
            Self::Error { fault, .. } => Some(fault),
            _ => None,
        }
    }
}

/// Reads the envelopes of one stream in their order.
#[derive(Debug, Default)]
pub struct EventReader {
    opened: bool,
}

#[derive(Default)]
struct Content {
    notifications: Vec<(String, bool)>,
    bad_ids: Vec<String>,
    status: String,
}

impl EventReader {
    /// What one envelope tells.
    ///
    /// # Errors
    /// Where it is a SOAP fault or malformed: the stream is of no use any more.
    pub fn read(&mut self, xml: &[u8]) -> Result<Vec<StreamEvent>, Fault> {
        let answers = soap::answers::<Content>(xml, |pull, element, content| {
            match element.name() {
                "Notifications" => read_notifications(pull, &mut content.notifications)?,
                "ErrorSubscriptionIds" => read_ids(pull, &mut content.bad_ids)?,
                "ConnectionStatus" => content.status = pull.text()?,
                _ => return Ok(false),
            }
            Ok(true)
        })?;
        let mut events = Vec::new();
        for answered in answers {
            let Content { notifications, bad_ids, status } = answered.value;
            let failed = answered.outcome.is_err();
            if !failed && !self.opened {
                self.opened = true;
                events.push(StreamEvent::Opened);
            } else if !failed && notifications.is_empty() && status.trim() != "Closed" {
                events.push(StreamEvent::Heartbeat);
            }
            events.extend(notifications.into_iter().map(|(subscription_id, changed)| {
                StreamEvent::Notification { subscription_id, changed }
            }));
            match answered.outcome {
                Err(fault) => events.push(StreamEvent::Error { fault, ids: bad_ids }),
                Ok(()) if !bad_ids.is_empty() => {
                    let fault = Fault::retry("ErrorSubscriptionNotFound");
                    events.push(StreamEvent::Error { fault, ids: bad_ids });
                }
                Ok(()) => {}
            }
            if status.trim() == "Closed" {
                events.push(StreamEvent::Closed);
            }
        }
        Ok(events)
    }
}

fn read_notifications(pull: &mut Pull<'_>, out: &mut Vec<(String, bool)>) -> Result<(), Fault> {
    while pull.child()?.is_some() {
        let (mut id, mut changed) = (String::new(), false);
        while let Some(element) = pull.child()? {
            let name = element.name();
            if name == "SubscriptionId" {
                id = pull.text()?;
                continue;
            }
            changed |= name.ends_with("Event") && name != "StatusEvent";
            pull.skip()?;
        }
        out.push((id, changed));
    }
    Ok(())
}

fn read_ids(pull: &mut Pull<'_>, out: &mut Vec<String>) -> Result<(), Fault> {
    while pull.child()?.is_some() {
        out.push(pull.text()?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn envelope(class: &str, code: &str, content: &str) -> String {
        format!(
            "<Envelope xmlns='http://schemas.xmlsoap.org/soap/envelope/'><soap11:Header \
             xmlns:soap11='http://schemas.xmlsoap.org/soap/envelope/'/><soap11:Body \
             xmlns:soap11='http://schemas.xmlsoap.org/soap/envelope/'>\
             <m:GetStreamingEventsResponse><m:ResponseMessages>\
             <m:GetStreamingEventsResponseMessage ResponseClass='{class}'>\
             <m:ResponseCode>{code}</m:ResponseCode>{content}</m:GetStreamingEventsResponseMessage>\
             </m:ResponseMessages></m:GetStreamingEventsResponse></soap11:Body></Envelope>"
        )
    }

    fn notification(id: &str, events: &str) -> String {
        format!(
            "<m:Notifications><t:Notification><t:SubscriptionId>{id}</t:SubscriptionId>{events}\
             </t:Notification></m:Notifications>"
        )
    }

    fn told(id: &str, changed: bool) -> StreamEvent {
        StreamEvent::Notification { subscription_id: id.into(), changed }
    }

    #[test]
    fn a_stream_is_read() {
        let mut reader = EventReader::default();
        let mut read = |class, code, content: &str| {
            reader.read(envelope(class, code, content).as_bytes()).unwrap()
        };
        let ok = "<m:ConnectionStatus>OK</m:ConnectionStatus>";
        assert_eq!(read("Success", "NoError", ok), [StreamEvent::Opened]);
        assert_eq!(read("Success", "NoError", ok), [StreamEvent::Heartbeat]);
        let one = notification(
            "a",
            "<t:CreatedEvent><t:ItemId Id='x'/></t:CreatedEvent><t:StatusEvent/>",
        );
        assert_eq!(read("Success", "NoError", &one), [told("a", true)]);
        let status = notification("a", "<t:StatusEvent/>");
        assert_eq!(read("Success", "NoError", &status), [told("a", false)]);
        let closed = "<m:ConnectionStatus>Closed</m:ConnectionStatus>";
        assert_eq!(read("Success", "NoError", closed), [StreamEvent::Closed]);
    }

    #[test]
    fn an_error_is_told_whatever_the_status_says() {
        for status in ["OK", "Closed"] {
            let content = format!(
                "<m:ErrorSubscriptionIds><t:SubscriptionId>a</t:SubscriptionId><t:SubscriptionId>b\
                 </t:SubscriptionId></m:ErrorSubscriptionIds><m:ConnectionStatus>{status}\
                 </m:ConnectionStatus>"
            );
            let mut reader = EventReader::default();
            let xml = envelope("Error", "ErrorSubscriptionNotFound", &content);
            let events = reader.read(xml.as_bytes()).unwrap();
            let expected = StreamEvent::Error {
                fault: Fault::retry("ErrorSubscriptionNotFound"),
                ids: vec!["a".into(), "b".into()],
            };
            assert_eq!(events[0], expected);
            assert_eq!(events.get(1), (status == "Closed").then_some(&StreamEvent::Closed));
        }
    }

    #[test]
    fn the_first_good_envelope_opens_even_with_news_in_it() {
        let xml = envelope("Success", "NoError", &notification("a", "<t:ModifiedEvent/>"));
        let events = EventReader::default().read(xml.as_bytes()).unwrap();
        assert_eq!(events, [StreamEvent::Opened, told("a", true)]);
    }
}
