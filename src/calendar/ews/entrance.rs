//! Single steps of a sign-in, for whoever wants to see where it ends (`calway check`). They go by
//! the same gate as everything else, so a refused secret is not tried again.

use ::http::Uri;

use super::discover::{Answer, Points, Step};
use super::http::Route;
use super::sign_in::Auth;
use super::{Ews, channel, codes, get_server_time_zones, soap};
use crate::model::Fault;
use crate::net::Origin;

/// What came of signing in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entered {
    /// The way that the server took.
    pub way: Option<Auth>,
    /// What the server reports of itself: major and minor version, and the build.
    pub build: Option<(u32, u32, u32, u32)>,
    /// What it said against the question itself, which is asked in nobody's name.
    pub said: Option<Fault>,
}

/// Whether a sign-in can be bound to this certificate (RFC 5929), as Extended Protection wants it.
pub fn can_bind_to(certificate: &[u8]) -> bool {
    channel::end_point(certificate).is_some()
}

impl Ews {
    /// Signs in at a server, and asks what concerns no mailbox.
    ///
    /// # Errors
    /// [`Next::SignIn`](crate::model::Next) where the secret is refused, or was not long ago;
    /// [`Next::BackOff`](crate::model::Next) where the server cannot be signed in to though it
    /// refused no secret, or rests.
    pub async fn enter(&self, url: &Uri) -> Result<Entered, Fault> {
        let server = self.servers.at(url)?;
        let (build, said) = loop {
            let now = self.discovery.now();
            let version = server.version(now);
            let xml = get_server_time_zones::request(version);
            match server.http.post(url, &Route::default(), None, xml).await {
                Ok(reply) => match get_server_time_zones::read(&reply.body) {
                    Err(fault) if !codes::is_exchange_code(&fault) => return Err(fault),
                    read => break (soap::build(&reply.body), read.err()),
                },
                Err(fault) if server.falls_back(now, version, &fault) => {}
                // Whoever says so has let us in.
                Err(fault) if codes::is_exchange_code(&fault) => break (None, Some(fault)),
                Err(fault) => return Err(fault),
            }
        };
        if let Some(fault) = &said {
            server.heard(fault);
        }
        let way = self.servers.sign_in().way(&Origin::of(url)?);
        Ok(Entered { way, build, said })
    }

    /// Searches the configured directory for service connection points; nothing where none is
    /// configured.
    ///
    /// # Errors
    /// As [`crate::net::directory::search`].
    pub async fn points(&self) -> Option<Result<Points, Fault>> {
        self.options.discover.as_ref()?.scp.as_ref()?;
        match self.discovery.go(&Step::Search(None)).await {
            Answer::Points(found) => Some(found),
            _ => None,
        }
    }
}
