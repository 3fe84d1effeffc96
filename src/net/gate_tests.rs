//! How rarely a wrong secret is sent, by how many callers, processes and places whatever.

use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::FutureExt as _;

use super::known::MOST_REFUSED;
use super::*;
use crate::model::Span;

const PAUSE: Duration = Duration::from_secs(60);
const A: &str = "https://a.example";
const B: &str = "https://b.example";
const C: &str = "https://c.example";

fn gate() -> Gate {
    Gate::new(PAUSE, "refused before", None)
}

/// A disk, and a clock that does not stop while nobody runs.
#[derive(Default)]
struct Disk {
    lines: Mutex<BTreeMap<String, String>>,
    broken: AtomicBool,
    /// Milliseconds that the clock was set on.
    set_on: Mutex<i64>,
}

impl Disk {
    fn gate(self: &Arc<Self>) -> Gate {
        Gate::new(PAUSE, "refused before", Some(Arc::clone(self) as _))
    }

    fn result<T>(&self, value: T) -> Result<T, Fault> {
        if self.broken.load(Ordering::Acquire) { Err(Fault::retry("disk")) } else { Ok(value) }
    }
}

impl Memory for Disk {
    fn now(&self) -> Time {
        Time::from_ms(1_700_000_000_000 + *self.set_on.lock().unwrap())
    }

    fn mark(&self, secret: &Secret) -> Mark {
        let mut mark = Mark::default();
        let whole =
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, secret.reveal().as_bytes());
        mark.copy_from_slice(&whole.as_ref()[..16]);
        mark
    }

    fn recall(&self) -> BoxFuture<'_, Result<Vec<Plain>, Fault>> {
        let known = self.lines.lock().unwrap();
        let lines = known.values().map(|line| Plain::new(line.as_str())).collect();
        std::future::ready(self.result(lines)).boxed()
    }

    fn keep(&self, lines: Vec<(Plain, Option<Plain>)>) -> BoxFuture<'_, Result<(), Fault>> {
        let kept = self.result(());
        if kept.is_ok() {
            let mut known = self.lines.lock().unwrap();
            for (key, line) in lines {
                match line {
                    Some(line) => known.insert(key.reveal().into(), line.reveal().into()),
                    None => known.remove(key.reveal()),
                };
            }
        }
        std::future::ready(kept).boxed()
    }
}

async fn next(gate: &Gate, secret: &Secret, place: &str) -> Option<Next> {
    gate.check(secret, place).await.err().map(|fault| fault.next)
}

const HERE: Option<Next> = Some(Next::BackOff { after: None });

#[tokio::test(start_paused = true)]
async fn a_refused_secret_is_not_tried_again_until_it_changes_or_time_has_passed() {
    let gate = gate();
    let (wrong, right) = (Secret::new("wrong"), Secret::new("right"));
    drop(gate.enter(&wrong, A).await.unwrap());
    assert_eq!(gate.refuse(&wrong, A).await, Shut::Everywhere);
    assert!(gate.enter(&wrong, A).await.is_err());
    assert!(gate.enter(&wrong, B).await.is_err());
    drop(gate.enter(&right, A).await.unwrap());
    tokio::time::advance(PAUSE).await;
    drop(gate.enter(&wrong, A).await.unwrap());
    gate.refuse(&wrong, A).await;
    gate.prove(&right, A).await;
    drop(gate.enter(&wrong, A).await.unwrap());
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_stays_wrong_is_tried_more_and_more_rarely() {
    let gate = gate();
    let wrong = Secret::new("wrong");
    for pauses in [1, 2, 4, 4, 4] {
        gate.refuse(&wrong, A).await;
        tokio::time::advance(PAUSE * pauses - Duration::from_secs(1)).await;
        assert!(gate.enter(&wrong, A).await.is_err(), "{pauses}");
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(gate.enter(&wrong, A).await.unwrap());
    }
}

#[tokio::test(start_paused = true)]
async fn an_unproven_secret_is_tried_by_one_at_a_time() {
    let gate = gate();
    let secret = Secret::new("x");
    let first = gate.enter(&secret, A).await.unwrap();
    let second = tokio::time::timeout(PAUSE / 2, gate.enter(&secret, B)).await;
    assert!(second.is_err(), "the second waits");
    gate.prove(&secret, A).await;
    drop(first);
    let (_a, _b) = tokio::join!(gate.enter(&secret, A), gate.enter(&secret, B));
}

#[tokio::test(start_paused = true)]
async fn a_proven_secret_that_turns_wrong_is_not_sent_by_everybody() {
    let gate = gate();
    let secret = Secret::new("x");
    gate.prove(&secret, A).await;
    let mut turns = Vec::new();
    for _ in 0..AT_ONCE {
        turns.push(tokio::time::timeout(PAUSE / 2, gate.enter(&secret, A)).await.expect("a turn"));
    }
    let more = tokio::time::timeout(PAUSE / 2, gate.enter(&secret, A)).await;
    assert!(more.is_err(), "the third waits");
    // Another secret is tried when nobody sends the old one any more, by one alone.
    let changed = Secret::new("y");
    let early = tokio::time::timeout(PAUSE / 2, gate.enter(&changed, A)).await;
    assert!(early.is_err(), "the old one is on its way");
    gate.refuse(&secret, A).await;
    drop(turns);
    let fault = gate.enter(&secret, A).await.err();
    assert_eq!(fault, Some(Fault::new(Next::SignIn, "refused before")));
}

#[tokio::test(start_paused = true)]
async fn whoever_waited_for_a_refused_secret_does_not_try_it() {
    let gate = gate();
    let secret = Secret::new("x");
    let first = gate.enter(&secret, A).await.unwrap();
    let (second, ()) = tokio::join!(gate.enter(&secret, A), async {
        gate.refuse(&secret, A).await;
        drop(first);
    });
    assert_eq!(second.err().map(|fault| fault.next), Some(Next::SignIn));
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_comes_back_is_remembered_as_refused() {
    let gate = gate();
    let (one, other) = (Secret::new("one"), Secret::new("other"));
    gate.refuse(&one, A).await;
    gate.refuse(&other, A).await;
    assert!(gate.check(&one, A).await.is_err() && gate.check(&other, A).await.is_err());
    for n in 0..MOST_REFUSED {
        gate.refuse(&Secret::new(format!("more {n}")), A).await;
    }
    assert!(gate.check(&one, A).await.is_ok(), "what is remembered is bounded");
}

#[tokio::test(start_paused = true)]
async fn two_refusals_at_once_are_one() {
    let gate = gate();
    let secret = Secret::new("x");
    gate.prove(&secret, A).await;
    gate.refuse(&secret, A).await;
    gate.refuse(&secret, A).await;
    tokio::time::advance(PAUSE).await;
    assert!(gate.check(&secret, A).await.is_ok(), "the first pause is the short one");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_does_not_keep_others_from_signing_in() {
    let gate = gate();
    let secret = Secret::new("x");
    gate.prove(&secret, A).await;
    let hang = || async {
        let turn = gate.enter(&secret, A).await.unwrap();
        turn.until(std::future::pending::<()>()).await;
    };
    let other = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        tokio::time::timeout(LONGEST_TURN, gate.enter(&secret, A)).await
    };
    tokio::select! {
        _ = async { tokio::join!(hang(), hang()) } => {}
        turn = other => assert!(turn.is_ok_and(|turn| turn.is_ok())),
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_with_an_unproven_secret_keeps_the_turn() {
    let gate = gate();
    let secret = Secret::new("x");
    let hang = async {
        let turn = gate.enter(&secret, A).await.unwrap();
        turn.until(std::future::pending::<()>()).await;
    };
    let other = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        tokio::time::timeout(LONGEST_TURN * 4, gate.enter(&secret, A)).await
    };
    tokio::select! {
        () = hang => {}
        turn = other => assert!(turn.is_err(), "a wrong one would be tried by each in turn"),
    }
}

#[tokio::test(start_paused = true)]
async fn one_server_that_refuses_what_others_take_shuts_nobody_else() {
    let gate = gate();
    let secret = Secret::new("x");
    gate.prove(&secret, A).await;
    assert_eq!(gate.refuse(&secret, B).await, Shut::Here);
    assert_eq!(next(&gate, &secret, B).await, HERE);
    assert_eq!(next(&gate, &secret, A).await, None, "whoever took it is asked");
    assert_eq!(next(&gate, &secret, C).await, HERE, "a new one is not, before that is known");
    gate.prove(&secret, A).await;
    assert_eq!(next(&gate, &secret, C).await, None);
    assert_eq!(next(&gate, &secret, B).await, HERE);
    tokio::time::advance(PAUSE).await;
    assert_eq!(next(&gate, &secret, B).await, None);
    gate.refuse(&secret, B).await;
    tokio::time::advance(PAUSE).await;
    assert_eq!(next(&gate, &secret, B).await, HERE, "more and more rarely");
}

#[tokio::test(start_paused = true)]
async fn a_password_that_was_changed_in_the_domain_costs_two_attempts_whatever_the_servers() {
    let gate = gate();
    let secret = Secret::new("x");
    for place in [A, B, C] {
        gate.prove(&secret, place).await;
    }
    assert_eq!(gate.refuse(&secret, B).await, Shut::Here);
    assert!(!gate.is_proven(&secret), "the next goes alone");
    assert_eq!(gate.refuse(&secret, C).await, Shut::Everywhere);
    for place in [A, B, C] {
        assert_eq!(next(&gate, &secret, place).await, Some(Next::SignIn));
    }
}

#[tokio::test(start_paused = true)]
async fn while_nobody_who_took_it_can_be_asked_new_ones_are_tried_an_hour_apart() {
    let gate = gate();
    let secret = Secret::new("x");
    gate.prove(&secret, A).await;
    gate.refuse(&secret, B).await;
    tokio::time::advance(PAUSE).await;
    assert_eq!(next(&gate, &secret, C).await, None);
    assert_eq!(gate.refuse(&secret, C).await, Shut::Here);
    assert_eq!(next(&gate, &secret, "https://d.example").await, HERE);
}

#[tokio::test(start_paused = true)]
async fn a_directory_that_knows_nothing_of_the_account_casts_no_doubt() {
    let gate = gate();
    let secret = Secret::new("x");
    gate.prove(&secret, A).await;
    assert_eq!(gate.refuse_beside(&secret, B).await, Shut::Here);
    assert_eq!(next(&gate, &secret, B).await, HERE);
    assert_eq!(next(&gate, &secret, C).await, None);
    assert!(gate.is_proven(&secret));
    let other = Secret::new("y");
    assert_eq!(gate.refuse_beside(&other, B).await, Shut::Everywhere, "where nobody took it");
}

#[tokio::test(start_paused = true)]
async fn a_restart_spends_no_attempt() {
    let disk = Arc::new(Disk::default());
    let (wrong, other) = (Secret::new("wrong"), Secret::new("other"));
    disk.gate().refuse(&wrong, A).await;
    disk.gate().refuse(&other, A).await;
    for _ in 0..20 {
        let gate = disk.gate();
        assert_eq!(gate.enter(&wrong, A).await.err().map(|fault| fault.next), Some(Next::SignIn));
        assert_eq!(next(&gate, &other, B).await, Some(Next::SignIn));
        assert_eq!(next(&gate, &Secret::new("new"), A).await, None);
    }
    let ms = |span: Duration| i64::try_from(span.as_millis()).unwrap();
    *disk.set_on.lock().unwrap() = ms(PAUSE);
    let gate = disk.gate();
    assert_eq!(next(&gate, &wrong, A).await, None, "the pause went on meanwhile");
    gate.refuse(&wrong, A).await;
    *disk.set_on.lock().unwrap() = ms(PAUSE * 2);
    assert_eq!(next(&disk.gate(), &wrong, A).await, Some(Next::SignIn), "its count was kept");
    *disk.set_on.lock().unwrap() = ms(PAUSE * 3);
    assert_eq!(next(&disk.gate(), &wrong, A).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_back_neither_opens_a_gate_nor_shuts_it_for_ever() {
    let disk = Arc::new(Disk::default());
    let wrong = Secret::new("wrong");
    disk.gate().refuse(&wrong, A).await;
    *disk.set_on.lock().unwrap() = -1_600_000_000_000;
    let gate = disk.gate();
    assert!(gate.enter(&wrong, A).await.is_err());
    let day = i64::try_from(Span::DAY.as_ms()).unwrap();
    *disk.set_on.lock().unwrap() = day;
    assert!(gate.enter(&wrong, A).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn what_another_process_learnt_counts_here_too() {
    let disk = Arc::new(Disk::default());
    let (daemon, tool) = (disk.gate(), disk.gate());
    let secret = Secret::new("x");
    tool.refuse(&secret, A).await;
    assert_eq!(next(&daemon, &secret, A).await, Some(Next::SignIn));
    tool.forget(&secret).await.unwrap();
    tool.prove(&secret, A).await;
    assert_eq!(next(&daemon, &secret, A).await, None);
    daemon.prove(&secret, B).await;
    assert_eq!(tool.refuse(&secret, C).await, Shut::Here);
    assert_eq!(disk.gate().refuse(&secret, C).await, Shut::Everywhere, "nothing was recalled");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_refuses_what_others_take_is_known_after_a_restart() {
    let disk = Arc::new(Disk::default());
    let secret = Secret::new("x");
    let before = disk.gate();
    before.prove(&secret, A).await;
    before.refuse(&secret, B).await;
    for _ in 0..3 {
        let gate = disk.gate();
        assert_eq!(next(&gate, &secret, B).await, HERE);
        assert_eq!(next(&gate, &secret, C).await, HERE);
        let turn = gate.enter(&secret, A).await.unwrap();
        assert!(!gate.is_proven(&secret), "it may have been changed meanwhile");
        drop(turn);
    }
    let gate = disk.gate();
    drop(gate.enter(&secret, A).await.unwrap());
    gate.prove(&secret, A).await;
    let gate = disk.gate();
    drop(gate.enter(&secret, C).await.unwrap());
    assert_eq!(gate.refuse(&secret, C).await, Shut::Here, "it was right at A");
}

#[tokio::test(start_paused = true)]
async fn what_the_disk_does_not_take_is_not_forgotten() {
    let disk = Arc::new(Disk::default());
    let gate = disk.gate();
    let (secret, other) = (Secret::new("x"), Secret::new("y"));
    disk.broken.store(true, Ordering::Release);
    gate.refuse(&secret, A).await;
    let unread = next(&gate, &other, A).await;
    assert_eq!(unread, Some(Next::Retry { after: None }), "nothing is sent in the dark");
    disk.broken.store(false, Ordering::Release);
    assert_eq!(next(&gate, &secret, A).await, Some(Next::SignIn));
    gate.refuse(&other, A).await;
    assert_eq!(next(&disk.gate(), &secret, A).await, Some(Next::SignIn), "kept with the next");
}

#[tokio::test(start_paused = true)]
async fn no_secret_lies_on_the_disk() {
    let disk = Arc::new(Disk::default());
    let gate = disk.gate();
    gate.prove(&Secret::new("hunter1"), A).await;
    gate.refuse(&Secret::new("hunter2"), A).await;
    let lines = disk.lines.lock().unwrap();
    assert_eq!(lines.len(), 2);
    assert!(!lines.iter().any(|(key, line)| format!("{key}{line}").contains("hunter")));
}

#[tokio::test(start_paused = true)]
async fn lines_of_another_version_are_passed_over() {
    let disk = Arc::new(Disk::default());
    for line in ["{\"later\":{}}", "junk", "{\"refused\":{\"secret\":\"zz\",\"until\":1}}"] {
        disk.lines.lock().unwrap().insert(line.into(), line.into());
    }
    assert_eq!(next(&disk.gate(), &Secret::new("x"), A).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_secret_that_was_right_long_ago_is_tried_by_one_before_the_others_follow() {
    let gate = gate();
    let secret = Secret::new("x");
    gate.prove(&secret, A).await;
    tokio::time::advance(A_MOMENT).await;
    let first = gate.enter(&secret, A).await.unwrap();
    let second = tokio::time::timeout(A_MOMENT, gate.enter(&secret, A)).await;
    assert!(second.is_err(), "it may have been changed meanwhile");
    gate.prove(&secret, A).await;
    drop(first);
    let (_a, _b) = tokio::join!(gate.enter(&secret, A), gate.enter(&secret, B));
}
