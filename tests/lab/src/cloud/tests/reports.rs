//! What is no record: results, answers, presence, states, and the commands that they belong to.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::cloud::{Guest, Reply, When};

/// A connector's reading of a command: its key fetched, its sealed members opened.
async fn opened(pair: &Pair, data: &Value, name: &str) -> String {
    let connector = pair.cloud.person("hq-1");
    let uri = data["encryptionKeyUrl"].as_str().unwrap();
    connector.open_text(uri, data[name].as_str().unwrap()).await.unwrap()
}

fn presence(sequence: u64, ttl: u64) -> Value {
    let inside = json!({"subject": "u1", "eventType": "ooo", "label": "Out of office", "ttl": ttl});
    event("user.presence", "u1", sequence, json!({"presence": inside}))
}

fn state(sequence: u64, state: &str) -> Value {
    let inside = json!({"state": state, "since": "2026-01-05T09:00:00Z"});
    event("user.state", "u1", sequence, json!({"userState": inside}))
}

fn result(sequence: u64, command: &str, outcome: &str) -> Value {
    let mut inside = json!({"commandId": command, "type": "meeting.create", "outcome": outcome});
    if outcome != "done" {
        inside["reason"] = json!("The calendar refused it.");
    }
    event("command.result", "u1", sequence, json!({"commandResult": inside}))
}

#[tokio::test]
async fn of_presence_and_state_the_newest_counts() {
    let pair = Pair::new().await;
    pair.cloud.admit("u1");
    let batch = [presence(1, 60), state(2, "pending"), presence(4, 0), presence(3, 30)];
    assert_eq!(pair.outcomes(&batch).await, ["stored", "stored", "stored", "stale"]);
    assert_eq!(pair.outcomes(from_ref(&batch[2])).await, ["duplicate"]);
    let ttl = pair.cloud.view(|view| view.presence("u1").unwrap()["ttl"].clone());
    assert_eq!(ttl, json!(0));
    assert_eq!(pair.cloud.view(|view| view.reports_of("u1", "user.presence").len()), 2);
    assert!(pair.cloud.records("u1").is_empty(), "none of it is a meeting");
    assert_eq!(pair.cloud.view(|view| view.arrivals().len()), 0);
    let stranger = event("user.state", "u2", 1, state(1, "active")["data"].clone());
    assert_eq!(pair.outcomes(&[stranger]).await, ["rejected"]);
}

#[tokio::test]
async fn a_resync_takes_no_result_away() {
    let pair = Pair::new().await;
    pair.cloud.admit("u1");
    let batch = [result(5, "c1", "done"), resync("u1", 11, 10), result(6, "c2", "failed")];
    assert_eq!(pair.outcomes(&batch).await, ["stored", "stored", "stored"]);
    assert_eq!(pair.cloud.result("c2").await.outcome, "failed");
    assert_eq!(pair.cloud.view(|view| view.results("c1").len()), 1);
    let twice = result(7, "c1", "done");
    assert_eq!(pair.outcomes(&[twice]).await, ["stored"]);
    assert_eq!(pair.cloud.view(|view| view.results("c1").len()), 2, "told twice, and it shows");
}

#[tokio::test]
async fn what_is_not_of_the_protocol_is_refused() {
    let pair = Pair::new().await;
    pair.cloud.admit("u1");
    let sealed = jose::seal(&[7; 32], None, b"alice@corp.example");
    let request = json!({
        "requestId": "r1",
        "id": "a",
        "seriesId": "a",
        "start": "2026-01-05T10:00:00Z",
        "durationMinutes": 30,
        "isRecurring": false,
        "keyword": "webex",
        "mode": "default",
        "language": "de-DE",
        "encryptionKeyUrl": "kms://kms.lab.example/keys/1",
        "encryptedSubject": sealed,
    });
    let answer = json!({
        "requestId": "r1",
        "commandId": "c1",
        "encryptionKeyUrl": "kms://kms.lab.example/keys/1",
        "start": "2026-01-05T10:00:00Z",
        "end": "2026-01-05T11:15:00Z",
        "intervalMinutes": 30,
        "calendarFreeBusyItems": [{"email": sealed, "outcome": "ok", "merged": "024"}],
    });
    let mut sequence = 100;
    let mut send = |kind: &str, member: &str, inside: Value| {
        sequence += 1;
        event(kind, "u1", sequence, json!({member: inside}))
    };
    let decorate = ("calendar.decorate.request", "calendarDecorateRequest");
    let free_busy = ("calendar.free_busy", "calendarFreeBusyScheduleResponse");
    let good = [
        send(decorate.0, decorate.1, request.clone()),
        send(free_busy.0, free_busy.1, answer.clone()),
    ];
    assert_eq!(pair.outcomes(&good).await, ["stored", "stored"]);
    let mut bad = Vec::new();
    let plain = json!("alice@corp.example");
    for (place, value) in [
        ("/keyword", json!("webex in room 5")),
        ("/keyword", json!("@webex")),
        ("/keyword", json!("Übernahme")),
        ("/durationMinutes", json!("30")),
        ("/start", json!("2026-01-05T10:00:00+01:00")),
        ("/encryptedParticipants", json!([{"encryptedEmailAddress": "bob@corp.example"}])),
        ("/mode", json!("other")),
        ("/language", json!("de DE")),
        ("/encryptedSubject", json!("Budget")),
        ("/subject", json!("Budget")),
    ] {
        let mut inside = request.clone();
        inside[&place[1..]] = value;
        bad.push(send(decorate.0, decorate.1, inside));
    }
    for (place, value) in [
        ("/calendarFreeBusyItems/0/email", plain),
        ("/calendarFreeBusyItems/0/merged", json!("0245")),
        ("/calendarFreeBusyItems/0/merged", json!("02")),
        ("/calendarFreeBusyItems/0/outcome", json!("perhaps")),
        ("/calendarFreeBusyItems", json!([])),
        ("/intervalMinutes", json!(1)),
    ] {
        let mut inside = answer.clone();
        *inside.pointer_mut(place).unwrap() = value;
        bad.push(send(free_busy.0, free_busy.1, inside));
    }
    let reply = json!({"subject": "u1", "eventType": "ooo", "label": "Back on Monday"});
    bad.push(send("user.presence", "presence", reply));
    let other = json!({"subject": "u2", "eventType": "ooo"});
    bad.push(send("user.presence", "presence", other));
    let reason = json!({"state": "error", "since": "2026-01-05T10:00:00Z", "reason": "no mailbox"});
    bad.push(send("user.state", "userState", reason));
    let outcome = json!({"commandId": "c", "type": "meeting.create", "outcome": "failed"});
    bad.push(send("command.result", "commandResult", outcome));
    for event in &bad {
        assert_eq!(pair.outcomes(from_ref(event)).await, ["rejected"], "{}", event["data"]);
    }
}

#[tokio::test]
async fn a_user_that_left_is_told_of_and_heard_of_no_more() {
    let pair = Pair::new().await;
    pair.cloud.activate("u1", "alice@corp.example").await;
    pair.cloud.deactivate("u1");
    let mut channel = pair.open_channel(0).await.unwrap();
    for _ in 0..2 {
        let command = channel.next().await.unwrap();
        channel.tell(&command, "done").await;
    }
    pair.cloud.wait(|view| !view.is_active("u1")).await;
    let batch = [state(1, "inactive"), result(2, "c1", "failed"), presence(3, 60)];
    assert_eq!(pair.outcomes(&batch).await, ["stored", "stored", "stale"]);
}

#[tokio::test]
async fn a_meeting_is_asked_for_in_words_that_only_the_connector_opens() {
    let pair = Pair::new().await;
    let mut meeting = NewMeeting::at("Budget", "2026-01-05T10:00:00Z").invite("bob@corp.example");
    meeting.guests.push(Guest {
        email: "room@corp.example".into(),
        name: "Room 1".into(),
        kind: "RESOURCE".into(),
    });
    let id = pair.cloud.create_meeting("u1", &meeting).await;
    let working_hours = Some(true);
    let (from, to) = ("2026-01-05T00:00:00Z".to_owned(), "2026-01-09T00:00:00Z".to_owned());
    meeting.when = When::Between { from, to, working_hours };
    pair.cloud.create_meeting("u1", &meeting).await;
    let mut channel = pair.open_channel(0).await.unwrap();
    let command = channel.next().await.unwrap();
    assert_eq!((&command["id"], &command["type"]), (&json!(id), &json!("meeting.create")));
    let data = &command["data"];
    assert!(!data.to_string().contains("corp.example") && !data.to_string().contains("Budget"));
    assert_eq!(
        (&data["start"], &data["durationMinutes"]),
        (&json!("2026-01-05T10:00:00Z"), &json!(30))
    );
    let inside: Value =
        serde_json::from_str(&opened(&pair, data, "encryptedMeeting").await).unwrap();
    let room = json!({"email": "room@corp.example", "name": "Room 1", "type": "RESOURCE"});
    let guests = json!([{"email": "bob@corp.example"}, room]);
    assert_eq!(inside, json!({"subject": "Budget", "attendees": guests}));
    let stranger = pair.cloud.person("u2");
    let uri = data["encryptionKeyUrl"].as_str().unwrap();
    assert!(stranger.key(uri).await.is_err(), "nobody else's");
    let placed = channel.next().await.unwrap();
    assert_eq!(placed["data"]["place"]["workingHours"], json!(true));
    assert_eq!(placed["data"]["start"], Value::Null);
}

#[tokio::test]
async fn an_answer_goes_down_with_its_words_sealed() {
    let pair = Pair::new().await;
    let reply = Reply {
        id: "a".into(),
        start: "2026-01-05T10:00:00Z".into(),
        response: "ACCEPTED".into(),
        comment: "See you".into(),
        notify: Some(false),
    };
    pair.cloud.respond("u1", &reply).await;
    let mut channel = pair.open_channel(0).await.unwrap();
    let data = channel.next().await.unwrap()["data"].clone();
    assert_eq!((&data["response"], &data["notify"]), (&json!("ACCEPTED"), &json!(false)));
    assert_eq!(opened(&pair, &data, "encryptedComment").await, "See you");
}

#[tokio::test]
async fn a_question_about_free_busy_comes_back_opened() {
    let pair = Pair::new().await;
    pair.cloud.admit("u1");
    let (start, end) = ("2026-01-05T10:00:00Z", "2026-01-05T11:00:00Z");
    let emails = ["bob@corp.example", "nobody@corp.example"];
    let (command, request) = pair.cloud.ask_free_busy("u1", &emails, (start, end), Some(30)).await;
    let mut channel = pair.open_channel(0).await.unwrap();
    let data = channel.next().await.unwrap()["data"].clone();
    let connector = pair.cloud.person("hq-1");
    let uri = data["encryptionKeyUrl"].as_str().unwrap();
    let first = data["emails"][0].as_str().unwrap();
    assert_eq!(connector.open_text(uri, first).await.as_deref(), Some("bob@corp.example"));
    let (sealed, key) = connector.seal_all_for(&emails, "u1").await.unwrap();
    let answer = json!({
        "requestId": data["requestId"],
        "commandId": command,
        "encryptionKeyUrl": key,
        "start": start,
        "end": end,
        "intervalMinutes": 30,
        "calendarFreeBusyItems": [
            {"email": sealed[0], "outcome": "ok", "merged": "02",
             "items": [{"start": "2026-01-05T10:30:00Z", "end": end, "busyType": "BUSY"}]},
            {"email": sealed[1], "outcome": "unknown"},
        ],
    });
    let data = json!({"calendarFreeBusyScheduleResponse": answer});
    let told = event("calendar.free_busy", "u1", 1, data);
    assert_eq!(pair.outcomes(&[told]).await, ["stored"]);
    let answer = pair.cloud.free_busy("u1", &request).await;
    let told: Vec<_> = answer.items.iter().map(|one| (&*one.email, &*one.outcome)).collect();
    assert_eq!(told, [(emails[0], "ok"), (emails[1], "unknown")]);
    assert_eq!(answer.items[0].merged, "02");
    assert_eq!(answer.items[0].busy[0].2, "BUSY");
}

#[tokio::test]
async fn a_request_for_join_details_is_answered_once_and_again_with_the_same() {
    let pair = Pair::new().await;
    pair.cloud.admit("u1");
    let connector = pair.cloud.person("hq-1");
    let (sealed, key) = connector.seal_for("Budget", "u1").await.unwrap();
    let ask = |sequence: u64, request: &str| {
        let inside = json!({
            "requestId": request,
            "id": "a",
            "seriesId": "a",
            "start": "2026-01-05T10:00:00Z",
            "durationMinutes": 30,
            "isRecurring": false,
            "keyword": "webex",
            "mode": "myroom",
            "encryptionKeyUrl": key,
            "encryptedSubject": sealed,
        });
        let data = json!({"calendarDecorateRequest": inside});
        event("calendar.decorate.request", "u1", sequence, data)
    };
    pair.outcomes(&[ask(1, "r1")]).await;
    let standing = pair.cloud.decorate_all(|request| match request.request_id.as_str() {
        "r1" => Ok(json!({"title": request.subject, "url": request.details()["url"]})),
        _ => Err("no more rooms".into()),
    });
    let mut channel = pair.open_channel(0).await.unwrap();
    let first = channel.next().await.unwrap();
    assert_eq!((&first["type"], &first["subject"]), (&json!("meeting.decorate"), &json!("u1")));
    let details = opened(&pair, &first["data"], "encryptedJoinDetails").await;
    let details: Value = serde_json::from_str(&details).unwrap();
    let url = "https://meet.lab.example/myroom/u1?pwd=p7Kq";
    assert_eq!(details, json!({"title": "Budget", "url": url}));
    pair.outcomes(&[ask(1, "r1"), ask(2, "r2")]).await;
    let second = channel.next().await.unwrap();
    assert_eq!(second["data"]["requestId"], json!("r2"));
    assert_eq!(second["data"]["reason"], json!("no more rooms"));
    assert_eq!(second["data"]["encryptedJoinDetails"], Value::Null);
    assert_eq!(pair.cloud.view(|view| view.commands().len()), 2);
    // Asked again after a resend, it gives the same; under the same id it gives nothing else.
    assert_eq!(pair.outcomes(&[ask(3, "r1")]).await, ["stored"]);
    let third = channel.next().await.unwrap();
    let again = opened(&pair, &third["data"], "encryptedJoinDetails").await;
    assert_eq!(serde_json::from_str::<Value>(&again).unwrap(), details);
    let mut other = ask(4, "r1");
    other["data"]["calendarDecorateRequest"]["mode"] = json!("space");
    assert_eq!(pair.outcomes(&[other]).await, ["rejected"]);
    drop(standing);
}

#[tokio::test]
async fn a_script_asks_for_a_meeting_and_hears_how_it_ended() {
    let pair = Pair::new().await;
    pair.cloud.admit("u1");
    let control = super::super::control::start(([127, 0, 0, 1], 0).into(), pair.cloud.clone());
    let control = control.await.unwrap();
    let ask = async |method: &str, path: &str, body: Value| -> Value {
        let mut stream = TcpStream::connect(control).await.unwrap();
        let body = body.to_string();
        let head = format!("{method} {path} HTTP/1.1\r\nhost: lab\r\nconnection: close\r\n");
        let request = format!("{head}content-length: {}\r\n\r\n{body}", body.len());
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await.unwrap();
        serde_json::from_str(answer.split_once("\r\n\r\n").unwrap().1).unwrap()
    };
    let wanted = json!({"user": "u1", "subject": "Plan", "start": "2026-01-05T10:00:00Z"});
    let made = ask("POST", "/meetings/create", wanted).await;
    let command = made["command"].as_str().unwrap();
    pair.outcomes(&[result(1, command, "done"), presence(2, 60)]).await;
    let told = ask("GET", &format!("/commands/{command}/result"), Value::Null).await;
    assert_eq!((&told["outcome"], &told["count"]), (&json!("done"), &json!(1)));
    let reports = ask("GET", "/users/u1/reports", Value::Null).await;
    let kinds: Vec<_> = reports.as_array().unwrap().iter().map(|one| one["type"].clone()).collect();
    assert_eq!(kinds, [json!("command.result"), json!("user.presence")]);
}
