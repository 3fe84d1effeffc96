//! This machine: configuration, secrets, unit, store, disk, files.

use std::os::unix::fs::PermissionsExt as _;

use super::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_configuration_that_is_wrong_is_told_line_by_line_and_nobody_is_asked() {
    let scene = Scene::plain().await;
    scene.in_calendar("connections = 1000\nauth = [\"telepathy\"]");
    let said = scene.check(&[]).await;
    assert_eq!(said.exit, 2, "{}", said.text);
    super::compare("configuration-wrong", &scene.without_chance(&said.text));
    assert_eq!(scene.exchange().log().entries().len(), 0);
    let said = scene.check(&["--json"]).await;
    assert!(said.text.lines().last().unwrap().contains("\"exit\":2"), "{}", said.text);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_authority_that_cannot_be_read_is_told_as_the_configurations_mistake() {
    let scene = Scene::plain().await;
    std::fs::write(scene.stage.folder().join("exchange-ca.pem"), "no certificate").unwrap();
    scene.prints("configuration-ca", 1, &["configuration", "tls"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_missing_is_named_with_the_command_that_sets_it() {
    let scene = Scene::plain().await;
    for name in ["calendar.hq.password", "store.key"] {
        std::fs::remove_file(scene.stage.credentials().join(name)).unwrap();
    }
    scene.secret("cloud.client_secret", "");
    scene.prints("secrets", 1, &["secrets", "sign-in", "cloud-sign-in"]).await;
    scene.secret("store.key", "too short");
    std::fs::write(scene.stage.credentials().join("calendar.hq.password"), [0xff, 0xfe]).unwrap();
    scene.prints("secrets-unreadable", 1, &["secrets"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_unit_that_does_not_hand_a_secret_over_is_named() {
    let scene = Scene::plain().await;
    scene.systemctl(
        "[Service]\nLoadCredentialEncrypted=store.key:/etc/credstore.encrypted/store.key\n\
         LoadCredentialEncrypted=cloud.client_secret\nLimitNOFILE=64\n",
    );
    scene.prints("unit", 1, &["unit", "files"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_of_a_newer_version_and_a_damaged_one_are_told_and_left_alone() {
    let scene = Scene::plain().await;
    scene.store();
    let path = scene.stage.folder().join("calway.db");
    let db = rusqlite::Connection::open(&path).unwrap();
    db.pragma_update(None, "user_version", 99).unwrap();
    drop(db);
    // What was refused before is not known, so nothing is sent.
    scene.prints("store-newer", 1, &["store", "sign-in"]).await;
    assert_eq!(scene.exchange().log().count("GetServerTimeZones"), 0);

    std::fs::write(&path, vec![7; 8192]).unwrap();
    for end in ["-wal", "-shm"] {
        let _ = std::fs::remove_file(path.with_file_name(format!("calway.db{end}")));
    }
    scene.prints("store-damaged", 1, &["store"]).await;
    assert_eq!(std::fs::read(&path).unwrap(), vec![7; 8192]);
    std::fs::remove_file(&path).unwrap();
    std::fs::create_dir(&path).unwrap();
    scene.prints("store-unreadable", 1, &["store", "sign-in"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_that_nobody_can_write_to_is_told() {
    let scene = Scene::plain().await;
    let folder = scene.stage.folder().join("state");
    let absent = folder.join("calway.db");
    let known = scene.stage.folder().join("calway.db");
    scene.rewrite(&known.to_string_lossy(), &absent.to_string_lossy());
    scene.prints("disk-absent", 1, &["disk"]).await;
    std::fs::create_dir(&folder).unwrap();
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o500)).unwrap();
    scene.prints("disk-not-writable", 1, &["disk"]).await;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o700)).unwrap();
    std::fs::write(&absent, "").unwrap();
    // Only root can give a file away.
    if std::os::unix::fs::chown(&absent, Some(65_534), None).is_ok() {
        scene.prints("disk-owners", 1, &["disk"]).await;
    }
}
