//! One mailbox's story, what happens of it live, reading it anew; and the trust list.

use std::process::Stdio;

use calway_lab::cloud::NewMeeting;
use calway_lab::stage::Options;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

use super::{command, request, run, say};
use crate::edits::now_ms;
use crate::house::{ALICE, BOB, House, talkative, within};

struct Trace {
    /// Killed when dropped.
    _child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Trace {
    fn of(house: &House, who: &str) -> Self {
        let command = command(house, &["user", "trace", "--json", who]);
        let mut command = tokio::process::Command::from(command);
        let mut child = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { _child: child, lines }
    }

    async fn next(&mut self) -> Value {
        let line = within(self.lines.next_line()).await.unwrap();
        serde_json::from_str(&line.expect("the trace goes on")).unwrap()
    }

    /// Everything up to the first line about this.
    async fn until(&mut self, what: impl Fn(&Value) -> bool) -> Vec<Value> {
        let mut all = Vec::new();
        loop {
            let line = self.next().await;
            let found = what(&line);
            all.push(line);
            if found {
                return all;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_mailboxs_story_is_told_by_id_and_by_address_and_names_no_address() {
    let house = House::active(talkative()).await;
    house.meet(ALICE, "Merger talks", 3);
    house.live(ALICE, 1).await;
    house.rest(&[ALICE]).await;
    let (code, by_address, error) = run(&house, &["user", "show", "Alice@CORP.example"]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(by_address.starts_with("user-alice in hq: streaming, for "), "{by_address}");
    for line in ["last event    2", "last reading  2", "last record   2", "records       1 record,"]
    {
        assert!(by_address.lines().any(|one| one.starts_with(line)), "{line}\n{by_address}");
    }
    assert!(by_address.contains("it is read when Exchange rings"), "{by_address}");
    let (_, story, _) = run(&house, &["user", "show", "user-alice", "--json"]);
    let story: Value = serde_json::from_str(&story).unwrap();
    // They may share a stream or not.
    assert!(story["stream"]["mailboxes"].as_u64() >= Some(1), "{story}");
    assert_eq!((&story["store"]["records"], &story["store"]["waiting"]), (&1.into(), &0.into()));

    house.calendars().deny_impersonation(BOB.1, true);
    house.meet(BOB, "Merger talks", 2);
    let failing = ["user", "list", "--state", "failing", "--json"];
    let fails = |house: &House| run(house, &failing).1.contains(BOB.0);
    house.until("the mailbox fails", fails).await;
    // Whoever rang meanwhile may have it read at once.
    let waits = |house: &House| {
        run(house, &["user", "show", BOB.1]).1.contains("next          it is read at ")
    };
    house.until("it rests", waits).await;
    let (code, bobs, _) = run(&house, &["user", "show", BOB.1]);
    assert_eq!(code, 1, "{bobs}");
    assert!(bobs.contains("ErrorImpersonateUserDenied"), "{bobs}");
    assert!(bobs.contains("What to do (mailbox-failing):"), "{bobs}");
    assert!(bobs.contains("lacks the role ApplicationImpersonation"), "{bobs}");
    assert!(bobs.contains("next          it is read at "), "{bobs}");
    let (_, list, _) = run(&house, &["user", "list"]);
    let rows: Vec<_> = list.lines().map(|line| line.split_whitespace().next()).collect();
    assert_eq!(rows, [Some("user"), Some(ALICE.0), Some(BOB.0)], "{list}");

    let log = house.log();
    for shown in [&by_address, &story.to_string(), &bobs, &list, &log] {
        for person in [ALICE.1, BOB.1, ALICE.2, BOB.2, "Merger"] {
            assert!(!shown.to_lowercase().contains(&person.to_lowercase()), "{person}: {shown}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_not_there_and_what_makes_no_sense_gets_an_error_that_helps() {
    let house = House::active(talkative()).await;
    for who in ["user-nobody", "nobody@corp.example", "a/b", "ü"] {
        let (code, out, error) = run(&house, &["user", "show", who]);
        assert_eq!((code, out.as_str()), (1, ""), "{who}: {error}");
        assert!(error.contains("no such user is active here"), "{who}: {error}");
    }
    let (code, _, error) = run(&house, &["user", "list", "--state", "asleep"]);
    assert_eq!(code, 1);
    assert!(error.contains("starting, streaming, polling or failing"), "{error}");
    let bad = [
        (request("GET", "/v1/users?limit=0", ""), "400"),
        (request("GET", "/v1/users?limit=1001", ""), "400"),
        (request("GET", "/v1/users?state=%ff", ""), "400"),
        (request("GET", "/v1/users?colour=red", ""), "400"),
        (request("GET", "/v1/users/a%20b%40c", ""), "400"),
        (request("GET", "/v1/users/user-alice/resync", ""), "405"),
        (request("POST", "/v1/users/user-nobody/resync", ""), "404"),
        (request("PUT", "/v1/trust/mail.corp.example", "{\"verdict\":\"maybe\"}"), "400"),
        (request("PUT", "/v1/trust/mail.corp.example", "not json"), "400"),
        (request("PUT", "/v1/trust/https%3A%2F%2Fa", "{\"verdict\":\"allowed\"}"), "400"),
        (request("DELETE", "/v1/trust/nowhere.example", ""), "404"),
    ];
    for (bytes, status) in bad {
        let answer = say(&house, bytes.as_bytes());
        let head = answer.lines().next().unwrap_or_default();
        assert!(head.contains(status), "{bytes}: {answer}");
        assert!(answer.contains("\"error\""), "{bytes}: {answer}");
    }
    let page = say(&house, request("GET", "/v1/users?limit=1", "").as_bytes());
    let page: Value = serde_json::from_str(page.lines().last().unwrap()).unwrap();
    assert_eq!((&page["users"][0]["user"], &page["next"]), (&ALICE.0.into(), &ALICE.0.into()));
    let rest = say(&house, request("GET", "/v1/users?after=user-alice", "").as_bytes());
    let rest: Value = serde_json::from_str(rest.lines().last().unwrap()).unwrap();
    assert_eq!((&rest["users"][0]["user"], &rest["next"]), (&BOB.0.into(), &Value::Null));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mailbox_is_followed_from_exchanges_ring_to_the_clouds_answer() {
    let house = House::active(talkative()).await;
    let mut trace = Trace::of(&house, ALICE.1);
    let first = trace.next().await;
    assert_eq!((&first["what"], &first["user"]), (&"following".into(), &ALICE.0.into()));
    house.meet(BOB, "Somebody else's", 2);
    house.meet(ALICE, "Merger talks", 3);
    let answers = |line: &Value| line["what"] == "the cloud answers for an event";
    let created = |line: &Value| answers(line) && line["event"] == "create";
    let steps = trace.until(created).await;
    let told: Vec<_> = steps.iter().filter_map(|step| step["what"].as_str()).collect();
    let mut rest = told.iter();
    for step in [
        "Exchange rings",
        "a reading begins",
        "Exchange is asked for changes",
        "Exchange is asked for items",
        "written to the disk",
        "the cloud answers for an event",
    ] {
        assert!(rest.any(|one| *one == step), "{step} in its order: {told:?}");
    }
    let last = steps.last().unwrap();
    assert_eq!((&last["event"], &last["verdict"]), (&"create".into(), &"stored".into()));
    assert!(last["tracking_id"].is_string(), "{last}");
    let mut written = steps.iter().filter(|step| step["what"] == "written to the disk");
    let same = written.any(|step| step["tracking_id"] == last["tracking_id"]);
    assert!(same, "one id all the way: {steps:?}");

    let (code, out, error) = run(&house, &["user", "resync", ALICE.1]);
    assert_eq!((code, error.as_str()), (0, ""));
    assert!(out.starts_with("user-alice is read anew"), "{out}");
    let again = trace.until(|line| answers(line) && line["event"] == "complete").await;
    let resent = again.iter().filter(|line| answers(line)).count();
    assert!(resent >= 2, "the record, and the word that it was all: {again:?}");

    let text = format!("{steps:?}{again:?}");
    for person in [ALICE.1, ALICE.2, BOB.0, "Merger", "Somebody"] {
        assert!(!text.contains(person), "{person}: {text}");
    }
    let more: Vec<_> = (0..3).map(|_| Trace::of(&house, BOB.0)).collect();
    let mut others = Vec::new();
    for mut one in more {
        one.next().await;
        others.push(one);
    }
    let (code, _, error) = run(&house, &["user", "trace", BOB.0]);
    assert_eq!(code, 1);
    assert!(error.contains("four are followed already"), "{error}");
    drop(others);
    let free = |house: &House| {
        let status = run(house, &["status", "--json"]);
        status.0 == 0
    };
    house.until("the daemon goes on", free).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_a_story_says_what_is_still_known_and_since_when_it_looks() {
    let mut house = House::active(talkative()).await;
    let began = jiff::Timestamp::now();
    house.meet(ALICE, "Merger talks", 3);
    house.live(ALICE, 1).await;
    let story = |house: &House, who: &str| -> Value {
        let (_, story, _) = run(house, &["user", "show", who, "--json"]);
        serde_json::from_str(&story).unwrap_or_default()
    };
    let before = story(&house, ALICE.0);
    assert!(before["last_event"].is_string() && before["last_record"].is_string(), "{before}");
    house.calendars().deny_impersonation(BOB.1, true);
    house.stop().await;
    house.again();
    let is = |house: &House, who: &str, state: &str| story(house, who)["state"] == state;
    house.until("Alice is listened to", |house| is(house, ALICE.0, "streaming")).await;
    house.until("Bob fails", |house| is(house, BOB.0, "failing")).await;
    let after = story(&house, ALICE.0);
    let at = |value: &Value| value.as_str().unwrap().parse::<jiff::Timestamp>().unwrap();
    // The disk has when it was written, the run before when it heard of that.
    let (known, heard) = (at(&after["last_record"]), at(&before["last_record"]));
    let in_time = (began.as_second()..=heard.as_second()).contains(&known.as_second());
    assert!(in_time, "the disk knows it, after {began}: {before} {after}");
    assert!(at(&after["since"]) >= at(&after["started"]), "{after}");
    assert!(after["last_reading"].is_string() && after["last_event"].is_null(), "{after}");
    let (code, alices, _) = run(&house, &["user", "show", ALICE.0]);
    assert_eq!(code, 0, "{alices}");
    for line in ["last event    not since the start (", "last error    none since the start ("] {
        assert!(alices.lines().any(|one| one.starts_with(line)), "{line}\n{alices}");
    }
    let (code, bobs, _) = run(&house, &["user", "show", BOB.0]);
    assert_eq!(code, 1, "{bobs}");
    let error = bobs.lines().find(|line| line.starts_with("last error")).unwrap();
    assert!(error.contains("ErrorImpersonateUserDenied"), "{bobs}");
    assert!(bobs.contains("What to do (mailbox-failing):"), "{bobs}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_is_followed_from_its_decision_to_the_answer_for_its_result() {
    let house = House::active(talkative()).await;
    let mut trace = Trace::of(&house, ALICE.0);
    assert_eq!(trace.next().await["what"], "following");
    let start = jiff::Timestamp::from_millisecond(now_ms() / 900_000 * 900_000 + 10_800_000);
    let meeting = NewMeeting::at("Merger talks", &start.unwrap().to_string()).invite(BOB.1);
    let command = house.stage.cloud.create_meeting(ALICE.0, &meeting).await;
    let id = calway::pipeline::tracking::of(&command).to_string();
    let of_it = |line: &Value| line["tracking_id"] == id.as_str();
    let is_end = |line: &Value| of_it(line) && line["what"] == "the cloud answers for an event";
    let steps = trace.until(is_end).await;
    let steps: Vec<_> = steps.iter().filter(|line| of_it(line)).collect();
    let told: Vec<_> = steps.iter().filter_map(|step| step["what"].as_str()).collect();
    let mut rest = told.iter();
    for step in [
        "a command is written down as being sent",
        "Exchange is told to make a meeting",
        "a command's end is written to the disk",
        "the cloud answers for an event",
    ] {
        assert!(rest.any(|one| *one == step), "{step} in its order: {told:?}");
    }
    // The channel and what it began go on beside each other.
    assert!(told.contains(&"a command of the cloud is decided"), "{told:?}");
    let made = steps.iter().find(|step| step["what"] == "Exchange is told to make a meeting");
    let made = made.unwrap();
    assert_eq!((&made["answer"], &made["command"]), (&"well".into(), &"meeting.create".into()));
    assert_eq!(made["command_id"], command.as_str());
    let ended = steps.iter().find(|step| step["condition"] == "errand-ended").unwrap();
    assert_eq!(ended["outcome"], "done", "{ended}");
    let text = format!("{steps:?}");
    for person in [ALICE.1, BOB.1, "Merger"] {
        assert!(!text.contains(person), "{person}: {text}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_trust_list_is_decided_over_the_socket_and_without_a_daemon_in_the_store() {
    let mut house = House::start(Options::default()).await;
    let listens =
        |house: &House| std::os::unix::net::UnixStream::connect(super::socket(house)).is_ok();
    house.until("somebody listens", listens).await;
    let config = house.stage.config();
    let trust = |words: &[&str]| {
        let mut command = std::process::Command::new(crate::house::PROGRAM);
        let output = command.arg("trust").args(words).arg("--config").arg(&config).output();
        super::ended(output.unwrap())
    };
    assert_eq!(trust(&["allow", "Mail.Corp.Example."]).1, "mail.corp.example is allowed\n");
    assert_eq!(trust(&["block", "evil.example"]).1, "evil.example is blocked\n");
    let by_daemon = trust(&["list", "--json"]);
    assert_eq!(by_daemon.1.lines().count(), 2, "{by_daemon:?}");
    assert_eq!(trust(&["allow", "https://a.example/"]).0, 2);
    house.stop().await;
    assert_eq!(trust(&["list", "--json"]), by_daemon);
    assert_eq!(trust(&["remove", "evil.example"]).1, "evil.example is forgotten\n");
    assert_eq!(trust(&["remove", "evil.example"]).0, 1);
}
