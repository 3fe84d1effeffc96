//! The scene in which an organiser asks for join details, and gets them into the invitation.

use super::*;

/// Where Alice wants to meet, and what she says.
const PLACE: &str = "Board room, floor 9";
const AGENDA: &str = "The offer is 41 million.\r\nPlease sign on page 7.\r\n\r\nAlice Archer\r\n";

/// So many lines of an invitation are shown.
const LINES: usize = 16;

impl Story {
    pub(super) async fn keyword(&mut self) -> Result<(), String> {
        self.next("Alice writes @webex into the place of an invitation").await;
        let cloud = self.stage.cloud.clone();
        let standing = cloud.decorate_all(|request| Ok(request.details()));
        let mut draft = Draft::meeting("Merger with Fabrikam: papers", in_hours(28), 30);
        draft.location = format!("{PLACE} @webex");
        draft.body = AGENDA.into();
        draft.attendees = vec![Attendee::required(BOB.1, "Bob Baker")];
        let begun = Instant::now();
        let id = self.stage.exchange.calendars().create(ALICE.1, draft);
        let mut command = None;
        let asked = cloud.wait(|view| {
            let mut all = view.commands().iter();
            command = all.find(|one| one.kind == "meeting.decorate").map(|one| one.id.clone());
            command.is_some()
        });
        within(asked).await?;
        let result = within(cloud.result(&command.unwrap_or_default())).await?;
        drop(standing);
        let asked = cloud.view(|view| {
            let all = view.reports_of(ALICE.0, "calendar.decorate.request");
            all.first().map(|one| one.json.clone()).unwrap_or_default()
        });
        let word = |name: &str| asked[name].as_str().unwrap_or("–").to_owned();
        let sealed = word("encryptedSubject").chars().take(40).collect::<String>();
        let wish = format!("keyword {}, mode {}, title {sealed}…", word("keyword"), word("mode"));
        self.screen.fact("Cloud", &format!("is asked for: {wish}"));
        self.invitation(&id, result.outcome == "done")?;
        // What the cloud has of it comes with the next reading.
        let joined = cloud.wait(|view| {
            let has = |user: &str| {
                let records = view.records(user);
                let mut of_it = records.iter().filter(|one| one.json["start"] == asked["start"]);
                of_it.any(|one| one.json.get("meetingJoinInfo").is_some())
            };
            has(ALICE.0) && has(BOB.0)
        });
        within(joined).await?;
        let took = begun.elapsed();
        self.show(BOB.0, "papers").await?;
        let said = format!("both lists have the Join button, {} after she wrote it", ms(took));
        self.check_all(&said).await
    }

    /// Shows what the guest reads, and checks that nothing else was changed, and nobody told twice.
    fn invitation(&mut self, id: &ItemId, done: bool) -> Result<(), String> {
        let calendars = self.stage.exchange.calendars();
        let uid = calendars.uid(ALICE.1, id).unwrap_or_default();
        let copy = calendars.find(BOB.1, &uid).and_then(|copy| calendars.read(BOB.1, &copy));
        let copy = copy.ok_or("Bob's invitation is gone")?;
        let mails = calendars.mails_to(BOB.1, &uid);
        self.screen.line("Bob's invitation reads now:");
        self.screen.line(&format!("  │ {}", copy.location));
        for line in copy.body.lines().take(LINES) {
            self.screen.line(&format!("  │ {line}"));
        }
        let own = copy.body.starts_with(AGENDA.trim_end()) && copy.location.starts_with(PLACE);
        let joins = copy.body.contains("meet.lab.example");
        let held = done && own && joins && mails == 1;
        self.sums.decorated += usize::from(held);
        let said = format!(
            "the details stand behind what Alice wrote, which is as it was; Bob got {mails} mail"
        );
        self.check(held, &said);
        Ok(())
    }
}
