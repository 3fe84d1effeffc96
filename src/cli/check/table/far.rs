//! What is looked at of the cloud and of the key server.

use super::{Check, Place, fail, here, warn};

/// Theirs.
pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "cloud-sign-in",
        place: Place::Cloud,
        asks: "Does the cloud take our client and its secret? (One try.)",
        needs: &["tls", "secrets"],
        troubles: &[
            fail(
                "refused",
                "the cloud refuses the client {client}: {why}",
                &["The secret is wrong or has ended, or the client is another one: see \
                   `cloud.auth` and what the cloud's administrator gave, then set the secret \
                   anew."],
                here("calway secret set cloud.client_secret"),
            ),
            fail(
                "not-the-cloud",
                "{url} is no relay: {why}",
                &["See that `cloud.url` is what the cloud's administrator gave."],
                None,
            ),
            fail(
                "busy",
                "the cloud asks to wait: {why}",
                &["Wait, and run the check again."],
                None,
            ),
            fail(
                "failed",
                "the sign-in came to no end: {why}",
                &["Run the check again; if it stays so, ask the cloud's administrator."],
                None,
            ),
        ],
    },
    Check {
        name: "kms-chain",
        place: Place::Keys,
        asks: "Does the key server's own certificate lead to the configured anchor?",
        needs: &["cloud-sign-in"],
        troubles: &[
            fail(
                "other-anchor",
                "{why}",
                &["Nothing is sealed for a key server that nobody vouches for. Put the \
                   certificate of its authority into the file that `kms.anchors_file` names, as \
                   its administrator gave it."],
                here("openssl x509 -noout -subject -issuer -enddate -in {anchors}"),
            ),
            fail(
                "expired",
                "{why}",
                &["Have the key server's administrator renew it. If its last day is not past, \
                   this machine's clock is wrong."],
                here("timedatectl status"),
            ),
            fail(
                "wrong",
                "{why}",
                &["Ask the key server's administrator: its certificate does not belong to its \
                   key or to its name."],
                None,
            ),
            warn(
                "ends-soon",
                "the certificate of {host} ends in {days} days ({until})",
                &["Have the key server's administrator renew it: from that day on nothing can be \
                   sealed."],
                None,
            ),
            fail(
                "failed",
                "the key server does not show its key: {why}",
                &["See that `kms.url` is what the key server's administrator gave, and that it \
                   runs."],
                None,
            ),
        ],
    },
    Check {
        name: "kms",
        place: Place::Keys,
        asks: "Does the key server agree on a key with us, and know us?",
        needs: &["kms-chain"],
        troubles: &[
            fail(
                "unknown",
                "the key server does not know us: {why}",
                &["Its administrator has to let the connector in (`cloud.connector`)."],
                None,
            ),
            fail(
                "failed",
                "no key could be agreed on: {why}",
                &["Run the check again; if it stays so, ask the key server's administrator."],
                None,
            ),
        ],
    },
];
