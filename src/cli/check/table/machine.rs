//! What is looked at on this machine.

use super::{Check, Place, fail, here, warn};

/// The machine's own.
pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "configuration",
        place: Place::Machine,
        asks: "Do the files say what can be done?",
        needs: &[],
        troubles: &[fail(
            "wrong",
            "{why}",
            &["Mend what is named. /usr/share/doc/calway/reference/configuration.md has every \
               key, and what is allowed there."],
            None,
        )],
    },
    Check {
        name: "secrets",
        place: Place::Machine,
        asks: "Is every secret there that the configuration needs?",
        needs: &[],
        troubles: &[
            fail(
                "missing",
                "{why}",
                &["Set it. It is asked for without echo, and encrypted with a key of this \
                     machine."],
                here("calway secret set {secret}"),
            ),
            fail(
                "no-key",
                "{why}",
                &["Make it once: the store is sealed with it, so an installation has one for all \
                   its life. Where there is a store already, bring its key back instead (`calway \
                   secret set store.key`): with another one it cannot be read."],
                here("calway secret generate"),
            ),
            fail(
                "bad-key",
                "{why}",
                &["Run the check as root, who may read what is given to the service. If it stays \
                   so, bring the key back that the store was made with. Where it is lost, make \
                   another one and move the store away: the cloud activates the mailboxes anew."],
                here("calway secret set store.key --force"),
            ),
            fail(
                "unreadable",
                "{why}",
                &["Run the check as root, who may read what is given to the service. If it stays \
                   so, set the secret anew."],
                here("calway secret set {secret}"),
            ),
        ],
    },
    Check {
        name: "unit",
        place: Place::Machine,
        asks: "Does systemd hand the secrets to the service?",
        needs: &[],
        troubles: &[fail(
            "not-handed",
            "calway.service is not given {secret}",
            &["Setting a secret writes the drop-in that hands over all that are stored \
               (/etc/systemd/system/calway.service.d/secrets.conf): set one anew."],
            here("calway secret set {settable}"),
        )],
    },
    Check {
        name: "store",
        place: Place::Machine,
        asks: "Is the store whole, and of a layout that this version knows?",
        needs: &[],
        troubles: &[
            fail(
                "newer",
                "the store has layout {layout}, this version knows {own}",
                &["A newer version has written it: install that version again. Or go back: stop \
                   the service, move {store}, {store}-wal and {store}-shm away, and rename the \
                   newest copy of before ({store}.layout-…) to {store}; where there is none, it \
                   begins anew. Every calendar is then read and sent again, and nothing is lost. \
                   What is there:"],
                here("ls -l {folder}"),
            ),
            fail(
                "damaged",
                "{why}",
                &["Start the service anew: it sets the file aside ({store}.damaged-…), keeps the \
                   verdicts of `calway trust` as far as they can be read, and begins anew; the \
                   cloud activates the mailboxes again, their calendars are read again, and \
                   nothing is lost. See what the disk says."],
                here("systemctl restart calway\njournalctl -k -p warning"),
            ),
            fail(
                "unreadable",
                "{why}",
                &[
                    "Run the check as root. If it stays so, see whose file it is, and what the disk \
                   says.",
                ],
                here("ls -l {folder}\nfindmnt -T {folder}"),
            ),
        ],
    },
    Check {
        name: "disk",
        place: Place::Machine,
        asks: "Can the store's disk be written, by the service, with room to spare?",
        needs: &[],
        troubles: &[
            fail(
                "absent",
                "{folder} is not there",
                &["The package makes it, and so does systemd when the service starts \
                   (StateDirectory=calway). With a path of your own in [store], make the folder, \
                   and give it to the user of the service."],
                here("install -d -o calway -g calway -m 700 {folder}"),
            ),
            fail(
                "read-only",
                "the disk under {folder} can only be read",
                &["Mount it for writing. Linux makes a disk read-only by itself when it finds \
                   errors on it: see what the kernel says."],
                here("findmnt -T {folder}\njournalctl -k -p warning"),
            ),
            fail(
                "not-writable",
                "{folder} may not be written by its owner",
                &["Let the user of the service write there."],
                here("chmod 700 {folder}\nls -ld {folder}"),
            ),
            fail(
                "owners",
                "{file} belongs to another user than {folder}",
                &["Somebody ran the connector by hand, as another user than the service's. Give \
                   everything back to the folder's owner."],
                here("chown -R --reference={folder} {folder}"),
            ),
            fail(
                "full",
                "{free} free for {folder}",
                &["Make room: with a full disk nothing is lost, but nothing is relayed either."],
                here("df -h {folder}"),
            ),
            warn(
                "low",
                "{free} free for {folder}",
                &["Make room before it is full: an outage of the cloud keeps records waiting \
                   there."],
                here("df -h {folder}"),
            ),
        ],
    },
    Check {
        name: "files",
        place: Place::Machine,
        asks: "May the service open as many files and connections as its mailboxes need?",
        needs: &[],
        troubles: &[warn(
            "few",
            "{needed} needed for {mailboxes} mailboxes, {limit} allowed",
            &["Raise LimitNOFILE of the unit; the one that comes with the package allows 65536. \
               Write these two lines into the editor, then restart: [Service], \
               LimitNOFILE=65536."],
            here("systemctl edit calway\nsystemctl restart calway"),
        )],
    },
];
