//! The scenes in which the cloud asks for something: a meeting for somebody's app, and who is away.

use calway_lab::cloud::{Guest, NewMeeting, When};

use super::*;

/// What Bob's mailbox answers while he is away.
pub(super) const REPLY: &str = "I am at the dentist, of all places";

impl Story {
    pub(super) async fn away(&mut self) -> Result<(), String> {
        self.next("Bob is out of office; the cloud may show that, and no more").await;
        let cloud = self.stage.cloud.clone();
        let mut said = serde_json::Value::Null;
        let told = cloud.wait(|view| {
            said = view.presence(BOB.0).cloned().unwrap_or_default();
            said["label"] == "Out of office"
        });
        within(told).await?;
        let oof = self.stage.exchange.calendars().oof(BOB.1).unwrap_or_default();
        self.screen.fact("Exchange", &format!("automatic reply {:?}", oof.internal));
        let word = |name: &str| said[name].as_str().unwrap_or("–");
        let (label, kind, until) = (word("label"), word("eventType"), word("until"));
        self.screen.fact("Cloud", &format!("label {label:?}, eventType {kind}, until {until}"));
        let until = oof.duration_ms.map(|(_, until)| utc(until)).unwrap_or_default();
        let held = said["until"] == until && !said.to_string().contains(REPLY);
        self.sums.away += usize::from(held);
        self.check(held, &format!("Bob shows as out of office until {until}"));
        Ok(())
    }

    pub(super) async fn created(&mut self) -> Result<(), String> {
        self.next("Alice's app asks for half an hour with Bob, the first that both have free")
            .await;
        let cloud = self.stage.cloud.clone();
        let (from, to) = (utc(in_hours(28)), utc(in_hours(40)));
        let mut plan = NewMeeting::at("Merger with Fabrikam: signatures", "");
        let (email, name, kind) = (BOB.1.into(), "Bob Baker".into(), "REQUIRED".into());
        plan.guests.push(Guest { email, name, kind });
        plan.when = When::Between { from, to, working_hours: None };
        let before = cloud.view(|view| (view.live(ALICE.0), view.live(BOB.0)));
        let command = cloud.create_meeting(ALICE.0, &plan).await;
        let sent: String = cloud.view(|view| {
            let data = view.command(&command).map(|one| one.data.clone()).unwrap_or_default();
            data["encryptedMeeting"].as_str().unwrap_or_default().chars().take(48).collect()
        });
        self.screen.fact("Cloud", &format!("passes on meeting.create, {sent:.48}…"));
        let result = within(cloud.result(&command)).await?;
        let there = |view: &calway_lab::cloud::View<'_>| {
            (view.live(ALICE.0), view.live(BOB.0)) > before && view.live(BOB.0) > before.1
        };
        within(cloud.wait(there)).await?;
        self.show(BOB.0, "signatures").await?;
        let invited = self.stage.exchange.calendars().mails();
        let invited = invited.iter().filter(|mail| mail.subject.contains("signatures")).count();
        let held = result.outcome == "done" && invited == 1;
        self.sums.created += usize::from(held);
        let start = result.start.unwrap_or_default();
        self.check(held, &format!("it begins at {start}; Bob is invited once"));
        self.check_all("it stands in both calendars and in both lists").await
    }
}

fn utc(ms: i64) -> String {
    jiff::Timestamp::from_millisecond(ms).map(|at| at.to_string()).unwrap_or_default()
}
