//! The outbox against a cloud and a disk that a test plays by hand.

use proptest::prelude::*;

use super::*;
use crate::model::{Span, UserId};
use crate::pipeline::samples::{cases, now};

fn row(n: i64) -> Outgoing {
    Outgoing {
        row: n,
        id: format!("u.{n:020}").into(),
        user: UserId::new("u"),
        kind: EventKind::Update,
        sequence: n.unsigned_abs(),
        time: now(0).wall,
        data: Sealed::restored("{}"),
        trace: Trace([7; 16]),
    }
}

fn rows(from: i64, count: usize) -> Vec<Outgoing> {
    (from..).take(count).map(row).collect()
}

fn all(rows: &[Outgoing], verdict: &Verdict) -> Input {
    Input::Answered(Ok(rows.iter().map(|row| (row.id.clone(), verdict.clone())).collect()))
}

/// A machine that has loaded and sent these.
fn sending(rows: &[Outgoing]) -> Outbox {
    let mut outbox = Outbox::new(1);
    assert_eq!(outbox.handle(now(0), Input::Wake), [Output::Load { limit: BATCH_EVENTS }]);
    let sent = outbox.handle(now(0), Input::Loaded(Ok(rows.to_vec())));
    assert_eq!(sent, [Output::Send(rows.to_vec())]);
    outbox
}

fn settled(out: &[Output]) -> (Vec<i64>, Vec<i64>) {
    match out {
        [.., Output::Settle { done, aside }] => {
            (done.clone(), aside.iter().map(|(row, _)| *row).collect())
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn answered_rows_leave_and_the_rest_goes_out_again() {
    let batch = rows(1, 5);
    let mut outbox = sending(&batch);
    let verdicts = [
        (batch[0].id.clone(), Verdict::Stored),
        (batch[1].id.clone(), Verdict::Duplicate),
        (batch[2].id.clone(), Verdict::Stale),
        (batch[3].id.clone(), Verdict::Rejected("too old".into())),
        ("somebody else's".into(), Verdict::Stored),
    ];
    let out = outbox.handle(now(0), Input::Answered(Ok(verdicts.into())));
    assert_eq!(settled(&out), (vec![1, 2, 3], vec![4]));
    let out = outbox.handle(now(0), Input::Settled(Ok(())));
    assert_eq!(out, [Output::Load { limit: BATCH_EVENTS }], "row 5 is still on the disk");
}

#[test]
fn an_answer_for_none_is_a_reason_to_wait() {
    let mut outbox = sending(&rows(1, 2));
    let out = outbox.handle(now(0), Input::Answered(Ok(BTreeMap::new())));
    assert!(matches!(out[..], [Output::Trouble(_)]));
    assert!(outbox.wake_at().unwrap() > now(0).mono);
}

#[test]
fn a_batch_that_is_refused_is_halved_down_to_the_one_row() {
    // The cloud takes no batch with row 77 in it.
    let mut waiting = rows(1, 200);
    let mut outbox = Outbox::new(1);
    let mut out = outbox.handle(now(0), Input::Wake);
    let (mut aside, mut calls) = (Vec::new(), 0);
    while let Some(want) = out.pop() {
        let input = match want {
            Output::Load { limit } => {
                Input::Loaded(Ok(waiting.iter().take(limit).cloned().collect()))
            }
            Output::Send(rows) => {
                calls += 1;
                if rows.iter().any(|row| row.row == 77) {
                    Input::Answered(Err(Fault::refused("400")))
                } else {
                    all(&rows, &Verdict::Stored)
                }
            }
            Output::Settle { done, aside: reasons } => {
                waiting.retain(|row| !done.contains(&row.row));
                waiting.retain(|row| reasons.iter().all(|(other, _)| *other != row.row));
                aside.extend(reasons);
                Input::Settled(Ok(()))
            }
            Output::Trouble(_) | Output::Well | Output::StoreFails(_) => continue,
        };
        out = outbox.handle(now(0), input);
    }
    assert!(waiting.is_empty(), "everything else arrived");
    assert_eq!(aside, [(77, "400".to_owned())]);
    assert!(calls < 40, "{calls} calls");
}

#[test]
fn the_clouds_pause_is_obeyed() {
    let mut outbox = sending(&rows(1, 1));
    let after = Some(Span::from_secs(120));
    let busy = Fault::new(Next::BackOff { after }, "429");
    let out = outbox.handle(now(0), Input::Answered(Err(busy.clone())));
    assert_eq!(out, [Output::Trouble(busy)]);
    assert!(outbox.handle(now(60), Input::Wake).is_empty());
    assert!(outbox.handle(now(119), Input::Tick).is_empty());
    assert!(outbox.wake_at().unwrap() >= now(120).mono);
    let out = outbox.handle(now(121), Input::Tick);
    assert_eq!(out, [Output::Load { limit: BATCH_EVENTS }]);
    let batch = rows(1, 1);
    outbox.handle(now(121), Input::Loaded(Ok(batch.clone())));
    outbox.handle(now(122), all(&batch, &Verdict::Stored));
    let out = outbox.handle(now(122), Input::Settled(Ok(())));
    assert!(matches!(out[..], [Output::Well, Output::Load { .. }]), "{out:?}");
}

#[test]
fn a_disk_that_fails_is_tried_again_and_what_the_cloud_has_is_not_sent_again() {
    let mut outbox = sending(&rows(1, 1));
    let settle = outbox.handle(now(0), all(&rows(1, 1), &Verdict::Stored));
    for second in [0, 10, 20] {
        let full = Fault::retry("disk full");
        let out = outbox.handle(now(second), Input::Settled(Err(full.clone())));
        let told = if second == 0 { vec![Output::StoreFails(full)] } else { vec![] };
        assert_eq!(out, told, "once, and not as the cloud's trouble");
        assert!(outbox.handle(now(second), Input::Wake).is_empty());
        assert_eq!(outbox.handle(now(second + 10), Input::Tick), settle);
    }
    let out = outbox.handle(now(31), Input::Settled(Ok(())));
    assert_eq!(out, [Output::Load { limit: BATCH_EVENTS }]);
    let out = outbox.handle(now(31), Input::Loaded(Err(Fault::retry("disk gone"))));
    assert!(matches!(out[..], [Output::StoreFails(_)]), "{out:?}");
    let out = outbox.handle(now(41), Input::Tick);
    assert_eq!(out, [Output::Load { limit: BATCH_EVENTS }], "what was settled is settled");
}

#[test]
fn a_wake_during_work_is_remembered() {
    let batch = rows(1, 1);
    let mut outbox = sending(&batch);
    assert!(outbox.handle(now(0), Input::Wake).is_empty());
    outbox.handle(now(0), all(&batch, &Verdict::Stored));
    outbox.handle(now(0), Input::Settled(Ok(())));
    outbox.handle(now(0), Input::Wake);
    let out = outbox.handle(now(0), Input::Loaded(Ok(Vec::new())));
    assert_eq!(out, [Output::Load { limit: BATCH_EVENTS }], "something came in between");
    assert!(outbox.handle(now(0), Input::Loaded(Ok(Vec::new()))).is_empty());
    assert_eq!(outbox.handle(now(0), Input::Wake).len(), 1, "idle again");
}

#[derive(Clone, Debug)]
enum Mood {
    Take,
    Part(u8),
    Lost,
    Busy,
    Refuse,
    DiskFails,
}

proptest! {
    #![proptest_config(cases(200))]

    /// Whatever a cloud and a disk do: nothing leaves unanswered, and everything leaves in the end.
    #[test]
    fn every_row_leaves_once(count in 1_usize..60, moods in prop::collection::vec(
        prop_oneof![
            Just(Mood::Take), any::<u8>().prop_map(Mood::Part), Just(Mood::Lost), Just(Mood::Busy),
            Just(Mood::Refuse), Just(Mood::DiskFails),
        ], 0..40,
    )) {
        let mut waiting = rows(1, count);
        let mut answered = std::collections::BTreeSet::new();
        let (mut outbox, mut time) = (Outbox::new(9), now(0));
        let mut moods = moods.into_iter();
        let mut out = outbox.handle(time, Input::Wake);
        for _ in 0..2_000 {
            let Some(want) = out.pop() else {
                let Some(wake) = outbox.wake_at() else { break };
                time.mono = time.mono.max(wake);
                out = outbox.handle(time, Input::Tick);
                continue;
            };
            let input = match want {
                Output::Load { limit } => {
                    Input::Loaded(Ok(waiting.iter().take(limit).cloned().collect()))
                }
                Output::Send(rows) => match moods.next().unwrap_or(Mood::Take) {
                    Mood::Take | Mood::DiskFails => {
                        answered.extend(rows.iter().map(|row| row.row));
                        all(&rows, &Verdict::Stored)
                    }
                    Mood::Part(n) => {
                        let part = &rows[..rows.len().min(usize::from(n % 8))];
                        answered.extend(part.iter().map(|row| row.row));
                        all(part, &Verdict::Stored)
                    }
                    Mood::Lost => Input::Answered(Err(Fault::retry("lost"))),
                    Mood::Busy => Input::Answered(Err(Fault::new(
                        Next::BackOff { after: None }, "429",
                    ))),
                    Mood::Refuse => {
                        if let [row] = rows.as_slice() {
                            answered.insert(row.row);
                        }
                        Input::Answered(Err(Fault::refused("400")))
                    }
                },
                Output::Settle { done, aside } => {
                    if matches!(moods.next(), Some(Mood::DiskFails)) {
                        Input::Settled(Err(Fault::retry("full")))
                    } else {
                        for row in done.iter().chain(aside.iter().map(|(row, _)| row)) {
                            prop_assert!(answered.contains(row), "{row} left unanswered");
                        }
                        waiting.retain(|row| !done.contains(&row.row));
                        waiting.retain(|row| aside.iter().all(|(other, _)| *other != row.row));
                        Input::Settled(Ok(()))
                    }
                }
                Output::Trouble(_) | Output::Well | Output::StoreFails(_) => continue,
            };
            out = outbox.handle(time, input);
        }
        prop_assert!(waiting.is_empty(), "{} rows never left", waiting.len());
    }
}
