//! Which Exchange it is: the versions that it takes, and what it reports of itself.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Versions that may be asked for, the latest last.
const ACCEPTED: [&str; 9] = [
    "Exchange2007",
    "Exchange2007_SP1",
    "Exchange2010",
    "Exchange2010_SP1",
    "Exchange2010_SP2",
    "Exchange2013",
    "Exchange2013_SP1",
    "Exchange2015",
    "Exchange2016",
];

/// One server's, also while it runs: servers are upgraded.
#[derive(Clone, Debug)]
pub struct Release(Arc<Mutex<Inner>>);

#[derive(Debug)]
struct Inner {
    newest: Option<&'static str>,
    build: [u32; 4],
}

impl Default for Release {
    fn default() -> Self {
        Self::of(None)
    }
}

impl Release {
    /// One that takes nothing after `newest`, as an Exchange 2010 knows none after
    /// `Exchange2010_SP2`; `None`: all that any server takes.
    pub fn of(newest: Option<&'static str>) -> Self {
        let build = match newest {
            Some(newest) if newest < "Exchange2013" => [14, 3, 123, 4],
            _ => [15, 2, 1748, 10],
        };
        Self(Arc::new(Mutex::new(Inner { newest, build })))
    }

    /// From now on it is another one, of this build.
    pub fn becomes(&self, newest: Option<&'static str>, build: [u32; 4]) {
        *self.inner() = Inner { newest, build };
    }

    /// Whether it may be asked in this version; without one it may.
    pub(crate) fn takes(&self, version: Option<&str>) -> bool {
        let place = |version| ACCEPTED.iter().position(|own| *own == version);
        let last = self.inner().newest.and_then(place).unwrap_or(ACCEPTED.len());
        version.is_none_or(|version| place(version).is_some_and(|place| place <= last))
    }

    /// It knows no properties of Exchange 2013.
    pub(crate) fn is_old(&self) -> bool {
        self.inner().newest.is_some_and(|newest| newest < "Exchange2013")
    }

    /// Major, minor, and the two numbers of the build.
    pub(crate) fn build(&self) -> [u32; 4] {
        self.inner().build
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
