//! What a reload changes in parts that are in use: trust, proxies, places, trusted hosts. All of it
//! is looked at before the first of it is changed.

use std::sync::Arc;

use rustls::{ClientConfig, RootCertStore};
use tokio::sync::watch;

use crate::calendar::ews::{self, Ews, Tuning};
use crate::cloud::{self, Link};
use crate::config::secrets::{CLOUD_PROXY, Secrets};
use crate::config::{KmsSettings, Settings};
use crate::daemon::account::{Refused, armed};
use crate::kms::Kms;
use crate::model::Fault;
use crate::net::tls::Found;
use crate::net::{Proxy, Trust};

/// A calendar in use.
pub(in crate::daemon) struct Calendar {
    pub(in crate::daemon) ews: Arc<Ews>,
    /// The proxy on its way.
    pub(in crate::daemon) proxy: watch::Sender<Option<Proxy>>,
}

/// What is in use.
pub(in crate::daemon) struct InUse {
    /// In the order of the settings.
    pub(in crate::daemon) calendars: Vec<Calendar>,
    pub(in crate::daemon) link: Link,
    pub(in crate::daemon) kms: Arc<Kms>,
    pub(in crate::daemon) cloud: watch::Sender<cloud::Options>,
    pub(in crate::daemon) secrets: Arc<Secrets>,
    pub(in crate::daemon) refused: Refused,
}

/// The parts in use, and what was found when they were last changed.
pub(super) struct Live {
    parts: InUse,
    calendars: Vec<Option<Found>>,
    cloud: Option<Found>,
    kms: Option<Found>,
}

/// Options, with the trust to use where that or the proxy is another one, and what was found of it.
type Changed<T> = (T, Option<Arc<ClientConfig>>, Option<Found>);

/// Looked at, and sound.
pub(super) struct Prepared {
    calendars: Vec<(ews::Options, Tuning, Option<Found>)>,
    cloud: Changed<cloud::Options>,
    kms: Changed<KmsSettings>,
    anchors: Option<RootCertStore>,
    /// Files whose content is another one under the same name, by their keys.
    pub(super) renewed: Vec<String>,
    /// Servers of Exchange are reached in another way, or found by other rules.
    pub(super) moves: bool,
}

impl Live {
    pub(super) fn new(parts: InUse, settings: &Settings) -> Self {
        let calendars = settings.calendars.iter();
        Self {
            parts,
            // They were used just now; where one has gone since, it is another one.
            calendars: calendars.map(|one| one.ews.trust.found().ok()).collect(),
            cloud: settings.cloud.trust.found().ok(),
            kms: settings.kms.trust.found().ok(),
        }
    }

    /// Looks at everything that `new` changes of `own`.
    ///
    /// # Errors
    /// What cannot be used, with its key.
    pub(super) fn prepare(&self, own: &Settings, new: &Settings) -> Result<Prepared, String> {
        let mut renewed = Vec::new();
        let mut calendars = Vec::new();
        let mut any_moves = false;
        let all = own.calendars.iter().zip(&self.parts.calendars).zip(&self.calendars);
        for ((own, part), found) in all {
            let mut options = own.ews.clone();
            options.proxy = part.proxy.borrow().clone();
            let named = |one: &crate::config::CalendarSettings| one.ews.name == options.name;
            // Whoever is gone there goes on until the restart, as before.
            let Some(at) = new.calendars.iter().position(named) else {
                calendars.push((own.ews.clone(), tuning(&options, false)?, *found));
                continue;
            };
            let Some(wanted) = new.calendars.get(at).map(|one| &one.ews) else { continue };
            let key = |key: &str| format!("calendar[{at}].{key}");
            let now = look(&wanted.trust, &key(""))?;
            let renews = renews(&options.trust, &wanted.trust, *found, now, &key(""), &mut renewed);
            let password = format!("calendar.{}.proxy_password", options.name);
            let moves = options.proxy != wanted.proxy;
            if moves {
                options.proxy = self.proxy(wanted.proxy.as_ref(), &password, &key(""))?;
            }
            options.trust.clone_from(&wanted.trust);
            options.max_connections = wanted.max_connections;
            if let (Some(own), Some(wanted)) = (&mut options.discover, &wanted.discover) {
                own.trusted_hosts.clone_from(&wanted.trusted_hosts);
                own.srv = wanted.srv;
            }
            let tuning = tuning(&options, renews || moves)
                .map_err(|fault| format!("{}: {fault}", key("ca_file")))?;
            any_moves |= renews || moves || options.discover != own.ews.discover;
            calendars.push((options, tuning, Some(now)));
        }
        let mut cloud = self.parts.cloud.borrow().clone();
        let now = look(&new.cloud.trust, "cloud.")?;
        let renews =
            renews(&cloud.trust, &new.cloud.trust, self.cloud, now, "cloud.", &mut renewed);
        let moves = cloud.proxy != new.cloud.proxy;
        if moves {
            cloud.proxy = self.proxy(new.cloud.proxy.as_ref(), CLOUD_PROXY, "cloud.")?;
        }
        cloud.trust.clone_from(&new.cloud.trust);
        let tls = client(&cloud.trust, renews || moves, "cloud.")?;
        let kms = self.kms(own, new, cloud.proxy.as_ref(), moves, &mut renewed)?;
        let anchors = anchors(own, new, &mut renewed)?;
        Ok(Prepared {
            calendars,
            cloud: (cloud, tls, Some(now)),
            kms,
            anchors,
            renewed,
            moves: any_moves,
        })
    }

    fn kms(
        &self,
        own: &Settings,
        new: &Settings,
        proxy: Option<&Proxy>,
        moves: bool,
        renewed: &mut Vec<String>,
    ) -> Result<Changed<KmsSettings>, String> {
        let now = look(&new.kms.trust, "kms.")?;
        let mut also = Vec::new();
        let renews = renews(&own.kms.trust, &new.kms.trust, self.kms, now, "kms.", &mut also);
        // Where the cloud's authorities are the key server's, it was said of those.
        renewed.extend(also.into_iter().filter(|_| new.kms.trust != new.cloud.trust));
        let tls = client(&new.kms.trust, renews || moves, "kms.")?;
        let mut kms = KmsSettings { url: own.kms.url.clone(), ..new.kms.clone() };
        kms.proxy = proxy.cloned();
        Ok((kms, tls, Some(now)))
    }

    fn proxy(
        &self,
        wanted: Option<&Proxy>,
        password: &str,
        key: &str,
    ) -> Result<Option<Proxy>, String> {
        let Some(wanted) = wanted else { return Ok(None) };
        let InUse { secrets, refused, .. } = &self.parts;
        let armed = armed(wanted.clone(), password, secrets, Some(refused));
        armed.map(Some).map_err(|fault| format!("{key}proxy_auth: {fault}"))
    }

    /// Changes what was looked at, and `own` with it.
    pub(super) async fn apply(&mut self, own: &mut Settings, prepared: Prepared) {
        let Prepared { calendars, cloud, kms, anchors, .. } = prepared;
        let parts = own.calendars.iter_mut().zip(&self.parts.calendars).zip(&mut self.calendars);
        for (((own, part), known), (options, tuning, found)) in parts.zip(calendars) {
            part.proxy.send_replace(options.proxy.clone());
            part.ews.retune(tuning);
            (own.ews, *known) = (options, found);
        }
        let (options, tls, found) = cloud;
        self.cloud = found;
        self.parts.cloud.send_replace(options.clone());
        if let Some(tls) = tls {
            self.parts.link.reroute(tls, options.proxy.clone());
        }
        own.cloud = options;
        let (settings, tls, found) = kms;
        self.kms = found;
        if let Some(tls) = tls {
            self.parts.kms.reroute(tls, settings.proxy.clone());
        }
        own.kms = settings;
        if let Some(anchors) = anchors {
            self.parts.kms.reanchor(anchors).await;
        }
    }
}

fn tuning(options: &ews::Options, way: bool) -> Result<Tuning, String> {
    Tuning::of(options, way).map_err(|fault| fault.to_string())
}

fn look(trust: &Trust, key: &str) -> Result<Found, String> {
    trust.found().map_err(|fault: Fault| format!("{key}ca_file: {fault}"))
}

fn client(trust: &Trust, wanted: bool, key: &str) -> Result<Option<Arc<ClientConfig>>, String> {
    let client = wanted.then(|| trust.client()).transpose();
    client.map_err(|fault| format!("{key}ca_file: {fault}"))
}

/// Whether others are trusted than before; where that is not written, it is told.
fn renews(
    own: &Trust,
    wanted: &Trust,
    before: Option<Found>,
    now: Found,
    key: &str,
    renewed: &mut Vec<String>,
) -> bool {
    if own != wanted {
        return true;
    }
    let Some(before) = before else { return true };
    if before.files != now.files {
        renewed.push(format!("{key}ca_file"));
    }
    if before.system != now.system {
        renewed.push(format!("{key}system_trust"));
    }
    before != now
}

fn anchors(
    own: &Settings,
    new: &Settings,
    renewed: &mut Vec<String>,
) -> Result<Option<RootCertStore>, String> {
    if own.kms.anchors == new.kms.anchors {
        return Ok(None);
    }
    if own.kms.anchors_file == new.kms.anchors_file {
        renewed.push("kms.anchors_file".to_owned());
    }
    let roots = Trust::only(new.kms.anchors.clone()).roots();
    roots.map(Some).map_err(|fault| format!("kms.anchors_file: {fault}"))
}
