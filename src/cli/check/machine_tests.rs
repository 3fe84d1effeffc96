//! What is seen of a machine, held against what people are told.

use super::*;

fn trouble(verdict: &Verdict) -> &'static str {
    match verdict {
        Verdict::Pass(_) => "pass",
        Verdict::Skip(_) => "skip",
        Verdict::Trouble(id, _) => id,
    }
}

#[test]
fn a_disk_is_named_before_it_is_full() {
    let well = Room { free: 5 << 30, read_only: false, writable: true };
    assert_eq!(room_said(well), Verdict::Pass("5 GiB free for the store".into()));
    let said = |room| trouble(&room_said(room));
    assert_eq!(said(Room { free: 512 << 20, ..well }), "low");
    assert_eq!(said(Room { free: 1 << 20, ..well }), "full");
    assert_eq!(said(Room { writable: false, ..well }), "not-writable");
    assert_eq!(said(Room { read_only: true, writable: false, free: 0 }), "read-only");
    let low = room_said(Room { free: 512 << 20, ..well });
    assert_eq!(low, Verdict::Trouble("low", Words::default().with("free", "512 MiB")));
}

#[test]
fn as_many_files_are_wanted_as_mailboxes_need() {
    assert_eq!(trouble(&files_said((1_024, "the unit"), 50_000, 40)), "pass");
    assert_eq!(trouble(&files_said((256, "the unit"), 50_000, 40)), "few");
    assert_eq!(trouble(&files_said((u64::MAX, "the unit"), 50_000, 40)), "pass");
    assert_eq!(unit_limit("LimitNOFILE=1\nLimitNOFILE=65536\n"), Some(65_536));
    assert_eq!(unit_limit("LimitNOFILE=1024:65536"), Some(1_024));
    assert_eq!(unit_limit("LimitNOFILE=infinity"), Some(u64::MAX));
    assert_eq!(unit_limit("[Service]\n"), None);
}

#[test]
fn a_credential_that_a_drop_in_takes_back_is_not_handed() {
    let unit = "[Service]\nLoadCredentialEncrypted=store.key:/etc/credstore.encrypted/store.key\n";
    assert!(is_handed(unit, "store.key"));
    assert!(!is_handed(unit, "cloud.client_secret"));
    assert!(!is_handed(&format!("{unit}LoadCredentialEncrypted=\n"), "store.key"));
    assert!(is_handed("ImportCredential=calendar.*\n", "calendar.hq.password"));
    assert!(is_handed("LoadCredential=store.key\n", "store.key"));
    assert!(!is_handed("# LoadCredential=store.key\n", "store.key"));
}
