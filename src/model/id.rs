//! Names of things that may be shown: none of them tells who a person is or what a meeting is.

use std::fmt;
use std::sync::Arc;

macro_rules! name {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Takes the name over.
            pub fn new(name: impl Into<Arc<str>>) -> Self {
                Self(name.into())
            }

            /// The name as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

name! {
    /// The cloud's id of a user: what a mailbox is called everywhere but towards Exchange.
    UserId
}
name! {
    /// The name of a `[[calendar]]` of the configuration.
    CalendarName
}
name! {
    /// The id that the cloud gave a command; a command seen twice has the same id.
    CommandId
}
name! {
    /// A record's id in the cloud: 43 characters base64url of a keyed hash of the meeting's UID and
    /// original start. It stays the same over moves and updates, and tells nothing.
    RecordKey
}
name! {
    /// `kms://host/keys/<uuid>`: the name of a key at the KMS.
    KeyUri
}
name! {
    /// `kms://host/resources/<uuid>`: the name of a KMS resource; a mailbox has one.
    ResourceUri
}
name! {
    /// What mailboxes have in common that may share one stream: for EWS, Autodiscover's
    /// GroupingInformation with the EWS address, hashed; it names no one.
    GroupKey
}
name! {
    /// The endpoint that serves a mailbox (for EWS its URL, hashed): budgets and back-off count for
    /// it. It names no one.
    ServerKey
}
