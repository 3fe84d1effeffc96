//! Groups that grow and shrink while they listen, against the simulated Exchange.

use calway::calendar::Calendar;
use calway::model::{Hint, ListenEnd, Order};
use tokio::sync::mpsc;

use super::listening::{Ear, listen, lively, one_way_and_all_given_back, quick, touch};
use super::{Stage, soon};

fn order(ear: &Ear, order: Order) {
    ear.orders.try_send(order).expect("it takes orders");
}

#[tokio::test]
async fn a_newcomer_is_heard_and_the_others_subscriptions_stay() {
    let stage = Stage::with(lively(), quick).await;
    let group = stage.mailboxes(4);
    let (newcomer, first) = group.split_last().unwrap();
    let end = listen(&stage, first, async |ear| {
        ear.all_listen(first).await;
        order(ear, Order::Join(newcomer.clone()));
        ear.all_listen(&group).await;
        for target in &group {
            touch(&stage, target);
            ear.rings(target).await;
        }
        ear.stop();
    })
    .await;
    assert_eq!(end, ListenEnd::Stopped);
    let log = stage.exchange.log();
    assert_eq!((log.count("Subscribe"), log.count("GetStreamingEvents")), (4, 2));
    one_way_and_all_given_back(&stage, &group);
}

#[tokio::test]
async fn whoever_leaves_takes_its_own_subscription_alone() {
    // The anchor, and another.
    for leaving in [0, 2] {
        let stage = Stage::with(lively(), quick).await;
        let group = stage.mailboxes(4);
        let end = listen(&stage, &group, async |ear| {
            ear.all_listen(&group).await;
            let gone = &group[leaving];
            order(ear, Order::Leave(gone.user.clone()));
            let calendars = stage.exchange.calendars();
            soon("given back", async {
                while calendars.subscriptions(gone.address.reveal()) > 0 {
                    tokio::task::yield_now().await;
                }
            })
            .await;
            touch(&stage, gone);
            for target in group.iter().filter(|one| *one != gone) {
                touch(&stage, target);
                loop {
                    match ear.next().await {
                        Hint::Changed(user) if user == target.user => break,
                        Hint::Changed(user) => assert_ne!(user, gone.user, "it left"),
                        other => panic!("the others' stream was disturbed: {other:?}"),
                    }
                }
            }
            ear.stop();
        })
        .await;
        assert_eq!(end, ListenEnd::Stopped);
        let log = stage.exchange.log();
        assert_eq!((log.count("Subscribe"), log.count("GetStreamingEvents")), (4, 1));
    }
}

#[tokio::test]
async fn two_nodes_never_share_a_subscription() {
    let stage = Stage::with(lively(), quick).await;
    let group = stage.mailboxes(2);
    // Another process of the same account, which knows nothing of this one.
    let (told, mut hints) = mpsc::channel(1_000);
    let (orders, ordered) = mpsc::channel(4);
    let node = stage.another(quick);
    let second = node.listen(group.clone(), ordered, told);
    let end = listen(&stage, &group, async |one| {
        one.all_listen(&group).await;
        let test = async {
            let mut listening = 0;
            while listening < 2 {
                let hint = soon("a hint", hints.recv()).await.expect("it listens");
                listening += usize::from(matches!(hint, Hint::Listening(_)));
            }
            // Both hear: neither took the other's subscriptions over.
            touch(&stage, &group[0]);
            one.rings(&group[0]).await;
            let rung = Hint::Changed(group[0].user.clone());
            while soon("a hint", hints.recv()).await != Some(rung.clone()) {}
            for target in &group {
                let held = stage.exchange.calendars().subscriptions(target.address.reveal());
                assert_eq!(held, 2, "each node has its own");
            }
            orders.try_send(Order::Stop).expect("it takes orders");
        };
        let (second, ()) = tokio::join!(second, test);
        assert_eq!(second, ListenEnd::Stopped);
        // Nor did it give the other's back.
        touch(&stage, &group[1]);
        one.rings(&group[1]).await;
        one.stop();
    })
    .await;
    assert_eq!(end, ListenEnd::Stopped);
    assert_eq!(stage.exchange.log().count("GetStreamingEvents"), 2, "none was opened again");
}

#[tokio::test]
async fn no_life_uses_the_subscriptions_of_the_one_before() {
    let stage = Stage::with(lively(), quick).await;
    let group = stage.mailboxes(2);
    for life in 1..=3 {
        let (told, mut hints) = mpsc::channel(1_000);
        let (_orders, ordered) = mpsc::channel(4);
        let all_listen = async {
            let mut listening = 0;
            while listening < group.len() {
                let hint = soon("a hint", hints.recv()).await.expect("it listens");
                listening += usize::from(matches!(hint, Hint::Listening(_)));
            }
        };
        // It ends as in a crash, and gives nothing back.
        tokio::select! {
            end = stage.ews.listen(group.clone(), ordered, told) => panic!("{end:?}"),
            () = all_listen => {}
        }
        for target in &group {
            let held = stage.exchange.calendars().subscriptions(target.address.reveal());
            assert_eq!(held, life, "one of each life, as the server does not know of their ends");
        }
    }
    let log = stage.exchange.log();
    assert_eq!((log.count("Subscribe"), log.count("GetStreamingEvents")), (6, 3));
}

/// As after a machine was copied while it ran: somebody opens a stream on our ids.
#[tokio::test]
async fn a_node_whose_ids_another_uses_takes_new_ones_and_leaves_the_old_alone() {
    let stage = Stage::with(lively(), quick).await;
    let group = stage.mailboxes(2);
    let end = listen(&stage, &group, async |ear| {
        ear.all_listen(&group).await;
        stage.exchange.calendars().take_over_subscriptions(group[0].address.reveal());
        ear.all_listen(&group).await;
        touch(&stage, &group[0]);
        ear.rings(&group[0]).await;
        assert_eq!(stage.exchange.log().count("Unsubscribe"), 0, "the other goes on with it");
        ear.stop();
    })
    .await;
    assert_eq!(end, ListenEnd::Stopped);
    assert_eq!(stage.exchange.log().of("Subscribe").len(), 3, "one alone is made anew");
}
