//! The cloud and the key server.

use std::sync::Arc;

use calway_lab::cloud::{self, faults};
use calway_lab::kms::faults::{Fault, Place};
use calway_lab::site::{Manner, Site};
use calway_lab::stage::Options;
use calway_lab::tls::{Authority, LOOPBACK};

use super::Scene;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_the_cloud_refuses_is_sent_once_and_told() {
    let scene = Scene::plain().await;
    scene.secret("cloud.client_secret", "wrong");
    scene.prints("cloud-refused", 1, &["cloud-sign-in", "kms"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_that_is_busy_or_is_none_is_told() {
    let scene = Scene::plain().await;
    let busy = faults::Fault::Http { status: 503, retry_after: Some(30) };
    let _always = scene.stage.cloud.faults().always(faults::Place::Token, busy);
    scene.prints("cloud-busy", 1, &["cloud-sign-in"]).await;
    scene.stage.cloud.faults().clear();
    let _always =
        scene.stage.cloud.faults().always(faults::Place::Token, faults::Fault::DropBefore);
    scene.prints("cloud-failed", 1, &["cloud-sign-in"]).await;

    let authority = Arc::new(Authority::new());
    let site = Site::secure(Manner::Page, &authority.leaf(&LOOPBACK)).await.unwrap();
    let cloud = cloud::Options { authority: Some(authority), ..Default::default() };
    let scene = Scene::new(Options { cloud, ..Options::default() }).await;
    let url = scene.stage.cloud.url();
    scene.rewrite(&format!("url = \"{url}\""), &format!("url = \"https://{}\"", site.address()));
    scene.prints("cloud-is-none", 1, &["cloud-sign-in"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_key_server_that_nobody_vouches_for_is_told() {
    for (fault, golden) in [
        (Fault::ForeignChain, "kms-other-anchor"),
        (Fault::Expired, "kms-expired"),
        (Fault::WrongHost, "kms-other-host"),
        (Fault::MismatchedCertificate, "kms-other-key"),
        (Fault::NoChain, "kms-no-chain"),
        (Fault::Hang, "kms-hangs"),
        (Fault::Unavailable(None), "kms-away"),
    ] {
        let scene = Scene::plain().await;
        let _always = scene.stage.cloud.kms().faults().always(Place::StaticKey, fault);
        scene.prints(golden, 1, &["kms-chain", "kms"]).await;
    }
    let scene = Scene::plain().await;
    let denied = Fault::Error { status: 403, code: 403 };
    let _always = scene.stage.cloud.kms().faults().always(Place::Request, denied);
    scene.prints("kms-unknown", 1, &["kms"]).await;
    let scene = Scene::plain().await;
    let _always = scene.stage.cloud.kms().faults().always(Place::Request, Fault::TamperPayload);
    scene.prints("kms-failed", 1, &["kms"]).await;
    let scene = Scene::plain().await;
    let _always = scene.stage.cloud.kms().faults().always(Place::StaticKey, Fault::EndsSoon);
    scene.prints("kms-ends-soon", 0, &["kms-chain", "kms"]).await;
}
