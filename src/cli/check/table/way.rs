//! What is looked at on every way to a server.

use super::{Check, Place, exchange, fail, here, warn};

const CA: &str = "If it comes from an authority of your own, export that authority's certificate \
    and name it in `ca_file`; if it is self-signed, pin it (`pinned_certificate`). If a public \
    authority issued it, the server does not send its intermediate certificate: install its whole \
    chain there. /usr/share/doc/calway/guide/exchange.md, The certificate.";

const LOOK: &str = "openssl s_client -connect {host}:{port} -servername {host} -showcerts";

const CERTIFICATES: &str = "Get-ExchangeCertificate | Where-Object Services -match IIS | \
    Format-List Subject, CertificateDomains, Issuer, NotAfter, Thumbprint";

const OLD: &str = "Servers on Windows Server 2012 R2 and older share no cipher suite with us that \
    is safe. What helps: a load balancer in front that speaks TLS 1.2 with AES-GCM and shows the \
    same certificate, or moving those servers. \
    /usr/share/doc/calway/guide/exchange.md, Old Windows.";

/// The ways' own.
pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "dns",
        place: Place::Way,
        asks: "Is the name known? (The proxy's, where there is one.)",
        needs: &[],
        troubles: &[fail(
            "unknown",
            "{dialled} is not known",
            &["See that the name is written as it should be, and that this machine asks name \
               servers that know it."],
            here("getent ahosts {dialled}\ncat /etc/resolv.conf"),
        )],
    },
    Check {
        name: "tcp",
        place: Place::Way,
        asks: "Does somebody listen there? (The proxy, where there is one.)",
        needs: &["dns"],
        troubles: &[
            fail(
                "refused",
                "{dialled} port {port_dialled}: {why}",
                &["The machine is there and nothing listens on this port, or a firewall refuses \
                   for it. See that the port is right, that the server runs, and that this \
                   machine may connect to it."],
                here("openssl s_client -connect {dialled}:{port_dialled}"),
            ),
            fail(
                "silent",
                "{dialled} port {port_dialled}: {why}",
                &["Nothing comes back: most likely a firewall drops it. Let this machine connect \
                   to that port; nothing has to come in from there."],
                here("openssl s_client -connect {dialled}:{port_dialled}"),
            ),
        ],
    },
    Check {
        name: "proxy",
        place: Place::Way,
        asks: "Does the proxy open the way on, and take our sign-in?",
        needs: &["tcp"],
        troubles: &[
            fail(
                "asks",
                "the proxy {proxy} asks who we are",
                &["Name the account in `proxy_auth = { kind = \"basic\", user = \"…\" }` beside \
                   `proxy`, and set its password; or let this machine pass without."],
                here("calway secret set {proxy_secret}"),
            ),
            fail(
                "no-password",
                "the proxy's account has no password here",
                &["Set it."],
                here("calway secret set {proxy_secret}"),
            ),
            fail(
                "refused",
                "the proxy {proxy} refuses the user or the password",
                &["It was tried once; {kept}. See that the user in `proxy_auth` is right and the \
                   account is not locked, then set the password anew."],
                here("calway secret set {proxy_secret}"),
            ),
            fail(
                "refused-before",
                "the proxy {proxy} refused this password not long ago; it was not sent again",
                &["Set the right one. If the account was mended and the password is the same, \
                   `calway discover ADDRESS --try-again` sends it once more."],
                here("calway secret set {proxy_secret}"),
            ),
            fail(
                "other-sign-in",
                "the proxy {proxy} takes no sign-in by user and password (Basic)",
                &["Let this machine pass without a sign-in, or let the proxy offer Basic to it: \
                   the connector knows no other way."],
                None,
            ),
            fail(
                "closed",
                "the proxy {proxy} opens no way to {host}: {why}",
                &["Let it open CONNECT to {host} port {port} for this machine, and keep \
                   connections open for 10 minutes."],
                None,
            ),
            fail(
                "odd",
                "{why}",
                &["See that `proxy` names an HTTP proxy and its port: http://proxy:3128."],
                None,
            ),
        ],
    },
    Check {
        name: "tls",
        place: Place::Way,
        asks: "Is the certificate one to trust, for this name, and for how long; which protocol?",
        needs: &["tcp", "proxy"],
        troubles: &[
            warn(
                "ends-soon",
                "{protocol}; the certificate of {names} ends in {days} days ({until})",
                &["Renew it: from that day on nothing reaches this server. One of an authority \
                   between is renewed by sending its new one along."],
                exchange(CERTIFICATES),
            ),
            fail(
                "expired",
                "the certificate of {names} has expired ({until})",
                &["Renew it on the server and assign it to IIS, or to the load balancer that \
                   shows it. If that day is still to come, this machine's clock is wrong."],
                exchange(CERTIFICATES),
            ),
            fail(
                "not-yet-valid",
                "the certificate of {names} is not valid before {from}",
                &["If that day is past, this machine's clock is wrong: set it, best by NTP."],
                here("timedatectl status"),
            ),
            fail(
                "other-name",
                "the certificate names {names}, not {host}",
                &["Write a name that it bears into the configuration, or have one issued that \
                   names {host}. Which URL the programs of users are told, this shows."],
                exchange(
                    "Get-WebServicesVirtualDirectory -ADPropertiesOnly | Format-Table Server, \
                     InternalUrl, ExternalUrl -AutoSize",
                ),
            ),
            fail(
                "unknown-issuer",
                "nobody who is trusted here vouches for the certificate of {names}; it says that \
                 {issuer} issued it",
                &[CA],
                here(LOOK),
            ),
            fail(
                "authority-itself",
                "the certificate of {names} is one of an authority itself, as self-signed ones \
                 often are",
                &["Pin it in `pinned_certificate`, or have a server certificate issued."],
                here(
                    "openssl s_client -connect {host}:{port} </dev/null | openssl x509 -noout \
                     -fingerprint -sha256",
                ),
            ),
            fail(
                "not-pinned",
                "{why}",
                &["If the server's certificate was renewed, write the new fingerprint into \
                   `pinned_certificate`, once somebody has compared it on the server. If it was \
                   not, something on the way opens TLS."],
                here(
                    "openssl s_client -connect {host}:{port} </dev/null | openssl x509 -noout \
                     -fingerprint -sha256",
                ),
            ),
            fail("unfit", "{why}", &["Have a new certificate issued."], here(LOOK)),
            fail(
                "unknown-name",
                "{why}",
                &["It ends the connection before it shows a certificate. Write the name that it \
                   serves into the configuration, or let it serve {host} as well (the binding of \
                   the site, or the load balancer's)."],
                here(LOOK),
            ),
            fail(
                "old-protocol",
                "{why}",
                &[
                    "TLS 1.2 is the least that the connector speaks. Turn it on there, or let a load \
                   balancer in front speak it, with the same certificate. \
                   /usr/share/doc/calway/guide/exchange.md, Old Windows.",
                ],
                here(LOOK),
            ),
            fail("no-suite", "{why}", &[OLD], here(LOOK)),
            fail(
                "wants-certificate",
                "{why}",
                &["Let IIS, or what stands in front, ignore client certificates for this path."],
                None,
            ),
            fail(
                "not-tls",
                "what answers on {host} port {port} does not speak TLS",
                &["See that the port in the configuration is the one for https."],
                here(LOOK),
            ),
            fail(
                "broken",
                "the connection broke during the handshake: {why}",
                &["Try again; if it stays so, look at what stands in between (TLS inspection, a \
                   load balancer)."],
                here(LOOK),
            ),
        ],
    },
    Check {
        name: "clock",
        place: Place::Way,
        asks: "Does its clock agree with ours? (Kerberos allows five minutes.)",
        needs: &["tls"],
        troubles: &[
            warn(
                "off",
                "the clock of {host} is {skew} {which} ours",
                &["Set both by NTP: beyond five minutes Kerberos stops working."],
                here("timedatectl status"),
            ),
            fail(
                "far-off",
                "the clock of {host} is {skew} {which} ours",
                &[
                    "Beyond five minutes Kerberos fails, and meetings are sought in a wrong window. If others say so, too, it is this machine's clock: \
                   set it by NTP, best from the domain controllers.",
                ],
                here("timedatectl set-ntp true\ntimedatectl status"),
            ),
        ],
    },
];
