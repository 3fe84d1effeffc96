//! One step of a hunt: a search, a look, a question.

use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use ::http::header::{HeaderMap, LOCATION, USER_AGENT, WWW_AUTHENTICATE};
use ::http::{Method, Request, Response, Uri};
use aws_lc_rs::rand;
use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use http_body_util::Full;
use hyper::body::Incoming;
use rustls::ClientConfig;
use tokio::time::{sleep, timeout};

use super::{HUNT_WITHIN, Legs, Scp, ScpBind};
use crate::calendar::Ledger;
use crate::calendar::ews::Auth;
use crate::calendar::ews::autodiscover::{self, Place};
use crate::calendar::ews::discover::{Answer, FILTER, Point, Points, Seen, Server, Step};
use crate::calendar::ews::get_user_settings::Told;
use crate::calendar::ews::http::Route;
use crate::calendar::ews::negotiate::{NoToken, Own};
use crate::calendar::ews::servers::{Servers, hear};
use crate::calendar::ews::soap::ServerVersion;
use crate::calendar::ews::{Options, get_user_settings};
use crate::model::{Address, Fault, Next};
use crate::net::dial::Dial;
use crate::net::directory::{self, Bind, Root, Row, Search};
use crate::net::dns::Dns;
use crate::net::gate::Shut;
use crate::net::{Origin, Trust, read_body};

/// The longest JSON that is read; a whole one has a hundred bytes.
const LONGEST_JSON: usize = 64 * 1024;

/// Whoever was not asked with credentials answers within this, or does not count.
const LOOK_WITHIN: Duration = Duration::from_secs(20);

/// For a whole search.
const SEARCH_WITHIN: Duration = Duration::from_secs(30);

/// What the steps need.
pub(in crate::calendar::ews) struct Steps {
    servers: Arc<Servers>,
    scp: Option<Scp>,
    dns: Dns,
    /// Whom the directory's servers are trusted by.
    directory: RwLock<Arc<ClientConfig>>,
    dial: Dial,
    ledger: Arc<dyn Ledger>,
}

impl Legs for Steps {
    fn go<'a>(&'a self, step: &'a Step) -> BoxFuture<'a, Answer> {
        self.carry_out(step).boxed()
    }

    fn tired(&self) -> BoxFuture<'_, ()> {
        sleep(Duration::from_millis(HUNT_WITHIN.as_ms())).boxed()
    }

    fn chance(&self) -> u64 {
        let mut seed = [0; 8];
        // Without chance the order is the same each time, which is as good.
        let _ = rand::fill(&mut seed);
        u64::from_le_bytes(seed)
    }
}

impl Steps {
    pub(in crate::calendar::ews) fn new(
        options: &Options,
        servers: Arc<Servers>,
        ledger: Arc<dyn Ledger>,
    ) -> Result<Self, Fault> {
        let discover = options.discover.clone().unwrap_or_default();
        Ok(Self {
            servers,
            directory: RwLock::new(Self::trust(options)?),
            dns: Dns::new(discover.name_servers),
            scp: discover.scp,
            dial: options.dial.clone(),
            ledger,
        })
    }

    /// Whom a directory's servers are to be trusted by.
    ///
    /// # Errors
    /// As [`Trust::client`].
    pub(in crate::calendar::ews) fn trust(options: &Options) -> Result<Arc<ClientConfig>, Fault> {
        match options.discover.as_ref().and_then(|discover| discover.scp.as_ref()) {
            // A pin is for Exchange; a directory server has a certificate of its own.
            Some(_) => Trust { pinned: Vec::new(), ..options.trust.clone() }.client(),
            None => options.trust.client(),
        }
    }

    /// From now on directories are trusted by this.
    pub(in crate::calendar::ews) fn retrust(&self, directory: Arc<ClientConfig>) {
        *self.directory.write().unwrap_or_else(PoisonError::into_inner) = directory;
    }

    async fn carry_out(&self, step: &Step) -> Answer {
        match step {
            Step::Search(server) => Answer::Points(self.search(server.as_ref()).await),
            Step::Services(name) => Answer::Services(self.dns.services(name).await),
            Step::Look(url) => Answer::Seen(self.look(url).await),
            Step::LookPlain(url) => {
                let head = self.servers.connector().look(url).await;
                let seen = |head: crate::net::look::Head| Seen {
                    status: head.status,
                    location: head.location,
                    ..Seen::default()
                };
                Answer::Seen(head.map(seen))
            }
            Step::Settings(url, users) => Answer::Settings(self.settings(url, users).await),
            Step::Pox(url, user) => Answer::Place(self.pox(url, user).await),
            Step::Json(url, user) => Answer::Place(self.json(url, user).await),
        }
    }

    /// In the version that the server takes; where it refuses the whole request, perhaps for its
    /// version, in the older one.
    async fn settings(
        &self,
        url: &Uri,
        users: &[Arc<Address>],
    ) -> Result<Vec<Result<Told, Fault>>, Fault> {
        let server = self.servers.at(url)?;
        let asking = async |version| {
            let users = users.iter().map(AsRef::as_ref);
            let xml = get_user_settings::request(version, &url.to_string(), users);
            let reply = server.http.post(url, &Route::default(), None, xml).await?;
            let told = get_user_settings::read(&reply.body)?;
            hear(&mut server.autodiscover(), version, &reply.body);
            Ok(told)
        };
        let now = self.ledger.now();
        let version = server.autodiscover().ask_in(now);
        match asking(version).await {
            Err(fault)
                if version != ServerVersion::Exchange2010Sp2
                    && get_user_settings::is_perhaps_the_version(&fault) =>
            {
                let told = asking(ServerVersion::Exchange2010Sp2).await;
                // Where that is refused as well, it was not the version.
                if told.is_ok() {
                    server.autodiscover().refused(now, version);
                }
                told
            }
            told => told,
        }
    }

    async fn pox(&self, url: &Uri, user: &Address) -> Result<Place, Fault> {
        let xml = autodiscover::pox_request(user);
        let http = &self.servers.at(url)?.http;
        let reply = http.post(url, &Route::default(), None, xml).await?;
        autodiscover::read_pox(&reply.body)
    }

    async fn json(&self, url: &Uri, user: &Address) -> Result<Place, Fault> {
        let origin = Origin::of(url)?;
        let url = Origin::join(
            &format!("{origin}/").parse::<Uri>().map_err(|_| no_address())?,
            &autodiscover::json_path(user),
        )?;
        let asking = async {
            let response = self.get(&url).await?;
            let status = response.status();
            match (status.as_u16(), location(response.headers())) {
                (301 | 302 | 303 | 307 | 308, Some(to)) => Ok(Place::Url(to)),
                (200 | 400..=499, _) => {
                    let body = read_body(response, LONGEST_JSON).await;
                    autodiscover::read_json(&body.unwrap_or_default())
                }
                (status, _) => Err(Fault::retry(format!("HTTP {status}"))),
            }
        };
        in_time(asking).await
    }

    async fn look(&self, url: &Uri) -> Result<Seen, Fault> {
        let response = in_time(self.get(url)).await?;
        let headers = response.headers();
        let soap = headers.get("x-soap-enabled").and_then(|value| value.to_str().ok());
        Ok(Seen {
            status: response.status().as_u16(),
            soap: soap.is_some_and(|value| value.trim().eq_ignore_ascii_case("true")),
            windows: offers_windows(headers),
            location: location(headers),
        })
    }

    /// Without credentials, on a connection of its own; the body is left to whoever wants it.
    async fn get(&self, url: &Uri) -> Result<Response<Incoming>, Fault> {
        let mut connection = self.servers.connector().connect(&Origin::of(url)?).await?;
        let request = Request::builder()
            .method(Method::GET)
            .uri(url.clone())
            .header(USER_AGENT, concat!("calway/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::new()))
            .map_err(|_| no_address())?;
        connection.send(request).await
    }

    async fn search(&self, pointed: Option<&Server>) -> Result<Points, Fault> {
        let Some(scp) = &self.scp else { return Ok(Points::default()) };
        let server = directory_server(scp, pointed);
        let (root, rows) = match scp.bind {
            ScpBind::Simple => self.by_password(server, pointed.is_some()).await?,
            ScpBind::Kerberos => self.by_ticket(server).await?,
        };
        let site = scp.site.clone().or_else(|| site_of(&root.service.unwrap_or_default()));
        Ok(Points { site, points: rows.into_iter().map(point).collect() })
    }

    /// A directory that another one names may be of a domain that does not know the account, and
    /// its no is then none to the password. The directory that is configured is ours.
    async fn by_password(
        &self,
        server: directory::Server,
        pointed: bool,
    ) -> Result<(Root, Vec<Row>), Fault> {
        let sign_in = self.servers.sign_in();
        let gate = sign_in.gate(Auth::Basic);
        let password = sign_in.password().map_err(|_| Fault::new(Next::Denied, NO_PASSWORD))?;
        let place = format!("ldaps://{}:{}", server.host, server.port);
        let turn = gate.enter(&password, &place).await.map_err(|shut| match shut.next {
            Next::BackOff { .. } => Fault::new(Next::Denied, UNKNOWN_THERE),
            _ => shut,
        })?;
        let asking = async {
            let bind = Bind::Simple(sign_in.account().to_owned(), password.clone());
            let found = self.ask_directory(server, bind).await;
            let refused = found.as_ref().is_err_and(|fault| fault.next == Next::SignIn);
            let shut = match (refused, pointed) {
                (true, true) => gate.refuse_beside(&password, &place).await,
                (true, false) => gate.refuse(&password, &place).await,
                (false, _) if found.is_ok() => {
                    gate.prove(&password, &place).await;
                    return found;
                }
                (false, _) => return found,
            };
            match shut {
                Shut::Here => Err(Fault::new(Next::Denied, UNKNOWN_THERE)),
                Shut::Everywhere => found,
            }
        };
        turn.until(asking).await
    }

    /// By the account's own credential, as everywhere else. The directory itself never hears the
    /// secret, so its no is none to that.
    async fn by_ticket(&self, server: directory::Server) -> Result<(Root, Vec<Row>), Fault> {
        let sign_in = self.servers.sign_in();
        let tickets = sign_in.tickets().ok_or_else(|| Fault::refused(NO_KERBEROS))?;
        let secret = sign_in.secret(Auth::Negotiate)?;
        let turn = sign_in.enter_key_server(&secret).await?;
        let asking = async {
            let own = tickets.own(sign_in.account().to_owned(), sign_in.password().ok()).await;
            let said = own.as_ref().map(|own| own.asked).map_err(NoToken::clone);
            sign_in.key_server_said(&secret, said).await.and(own)
        };
        let own = turn.until(asking).await.map_err(|none| match none {
            NoToken::Refused(why) => Fault::new(Next::SignIn, why),
            NoToken::Unavailable(fault) => fault,
        })?;
        let found = self.ask_directory(server, by_credential(own)?).await;
        found.map_err(|fault| match fault.next {
            Next::SignIn => {
                Fault::new(Next::Denied, "LDAP: the directory does not take the ticket")
            }
            _ => fault,
        })
    }

    async fn ask_directory(
        &self,
        server: directory::Server,
        bind: Bind,
    ) -> Result<(Root, Vec<Row>), Fault> {
        let search = Search {
            server,
            bind,
            filter: FILTER,
            attributes: &["keywords", "serviceBindingInformation"],
            within: SEARCH_WITHIN,
        };
        let tls = Arc::clone(&self.directory.read().unwrap_or_else(PoisonError::into_inner));
        directory::search(search, &tls, &self.dial).await
    }
}

const NO_KERBEROS: &str = "LDAP: this build knows no Kerberos";

const NO_PASSWORD: &str = "LDAP: the directory wants the account's password, which is not here; \
    with scp.bind = \"kerberos\" it takes the keytab";

const UNKNOWN_THERE: &str = "LDAP: this directory refuses the account (49), whose password others \
    take";

#[cfg(feature = "kerberos")]
fn by_credential(own: Own) -> Result<Bind, Fault> {
    Ok(Bind::Kerberos(own.credential))
}

#[cfg(not(feature = "kerberos"))]
fn by_credential(_own: Own) -> Result<Bind, Fault> {
    Err(Fault::refused(NO_KERBEROS))
}

fn no_address() -> Fault {
    Fault::refused("the address cannot be asked")
}

async fn in_time<T>(asking: impl Future<Output = Result<T, Fault>>) -> Result<T, Fault> {
    timeout(LOOK_WITHIN, asking).await.unwrap_or_else(|_| Err(Fault::retry("no answer in time")))
}

fn location(headers: &HeaderMap) -> Option<String> {
    headers.get(LOCATION).and_then(|value| value.to_str().ok()).map(str::to_owned)
}

/// Whether a 401 offers what only a server of Windows does.
fn offers_windows(headers: &HeaderMap) -> bool {
    let mut offers = headers.get_all(WWW_AUTHENTICATE).iter().filter_map(|v| v.to_str().ok());
    offers.any(|offer| {
        let scheme = offer.split([' ', ',']).next().unwrap_or_default();
        scheme.eq_ignore_ascii_case("Negotiate") || scheme.eq_ignore_ascii_case("NTLM")
    })
}

/// The same protection for a directory that an entry points to. The ports without TLS that entries
/// name have their siblings with it.
fn directory_server(scp: &Scp, pointed: Option<&Server>) -> directory::Server {
    let Some(pointed) = pointed else {
        return directory::Server { host: scp.host.clone(), port: scp.port, secure: scp.secure };
    };
    let port = match (pointed.port, scp.secure) {
        (None | Some(389), true) => 636,
        (Some(3268), true) => 3269,
        (None, false) => 389,
        (Some(port), _) => port,
    };
    directory::Server { host: pointed.host.clone(), port, secure: scp.secure }
}

/// `CN=NTDS Settings,CN=DC1,CN=Servers,CN=Rome,CN=Sites,…` stands in the site Rome.
fn site_of(service: &str) -> Option<String> {
    let mut parts = service.split(',').map(str::trim);
    parts.find(|part| part.eq_ignore_ascii_case("CN=Servers"))?;
    let site = parts.next()?;
    let name = site.get(..3).filter(|head| head.eq_ignore_ascii_case("CN="))?.len();
    site.get(name..).map(str::to_owned)
}

fn point(mut row: Row) -> Point {
    let mut take = |name: &str| row.remove(name).unwrap_or_default();
    Point { keywords: take("keywords"), bindings: take("servicebindinginformation") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_site_of_a_directory_stands_in_its_own_name() {
        let service = "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Default-First-Site-Name,CN=Sites,\
                       CN=Configuration,DC=corp,DC=test";
        assert_eq!(site_of(service).as_deref(), Some("Default-First-Site-Name"));
        assert_eq!(site_of("CN=x,DC=corp"), None);
        assert_eq!(site_of(""), None);
    }

    #[test]
    fn a_directory_that_is_pointed_to_is_asked_with_the_same_protection() {
        let scp =
            Scp { host: "dc1".into(), port: 636, secure: true, bind: ScpBind::Simple, site: None };
        let port = |port, secure| {
            let scp = Scp { secure, ..scp.clone() };
            directory_server(&scp, Some(&Server { host: "dc2".into(), port })).port
        };
        assert_eq!(
            [None, Some(389), Some(3268), Some(7000)].map(|p| port(p, true)),
            [636, 636, 3269, 7000]
        );
        assert_eq!([None, Some(3268)].map(|p| port(p, false)), [389, 3268]);
        assert_eq!(directory_server(&scp, None).host, "dc1");
    }
}
