//! Who may ask the admin socket for what.

use http::Method;

use crate::daemon::serve::Peer;

/// What a caller may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Right {
    /// Everything.
    All,
    /// Look, and change nothing.
    Look,
    /// Nothing.
    None,
}

/// Whom the socket knows.
#[derive(Clone, Debug, Default)]
pub(super) struct Rights {
    /// The user that the service runs as.
    pub(super) own: u32,
    /// The users that the configuration names.
    pub(super) lookers: Vec<u32>,
}

impl Rights {
    /// The administrator and the service itself may do everything; whom the configuration names
    /// may look. Whoever comes over a network, or whom the system does not name, may do nothing.
    pub(super) fn of(&self, peer: Peer) -> Right {
        match peer {
            Peer::Uid(uid) if uid == 0 || uid == self.own => Right::All,
            Peer::Uid(uid) if self.lookers.contains(&uid) => Right::Look,
            Peer::Uid(_) | Peer::Network | Peer::Unknown => Right::None,
        }
    }
}

impl Right {
    /// Whether it covers a request: to look is to GET.
    pub(super) fn covers(self, method: &Method) -> bool {
        match self {
            Self::All => true,
            Self::Look => method == Method::GET,
            Self::None => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_user_may_do_nothing_and_one_that_is_named_may_only_look() {
        let rights = Rights { own: 901, lookers: vec![1_000] };
        let may = |peer| {
            let right = rights.of(peer);
            [Method::GET, Method::POST, Method::PUT, Method::DELETE].map(|m| right.covers(&m))
        };
        assert_eq!(may(Peer::Uid(0)), [true; 4]);
        assert_eq!(may(Peer::Uid(901)), [true; 4]);
        assert_eq!(may(Peer::Uid(1_000)), [true, false, false, false]);
        for stranger in [Peer::Uid(65_534), Peer::Uid(1_001), Peer::Network, Peer::Unknown] {
            assert_eq!(may(stranger), [false; 4], "{stranger:?}");
            assert_eq!(rights.of(stranger), Right::None);
        }
    }
}
