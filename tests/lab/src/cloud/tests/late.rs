//! Outcomes that come later than the next command.

use super::*;

#[tokio::test]
async fn who_was_activated_again_stays_however_late_the_word_of_the_deactivation_is() {
    let pair = Pair::new().await;
    pair.cloud.activate("u1", "alice@corp.example").await;
    let deactivate = pair.cloud.deactivate("u1");
    pair.cloud.activate("u1", "alice@corp.example").await;
    let mut channel = pair.open_channel(0).await.unwrap();
    for _ in 0..3 {
        let command = channel.next().await.unwrap();
        channel.tell(&command, "done").await;
    }
    assert_eq!(pair.cloud.outcome(&deactivate).await.outcome, "done");
    assert!(pair.cloud.view(|view| view.is_active("u1")));
    assert_eq!(pair.outcomes(&[upsert("u1", 1, "a")]).await, ["stored"]);
}
