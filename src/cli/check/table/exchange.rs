//! What is looked at of an Exchange.

use super::{Check, Place, exchange, fail, here, warn, windows};

const USER: &str = "Get-ADUser {user} -Properties LockedOut, PasswordExpired, Enabled";

const PROTECTION: &str = ".\\ExchangeExtendedProtectionManagement.ps1 -ShowExtendedProtection";

const POLICY: &str = "New-ThrottlingPolicy -Name Calway -ThrottlingPolicyScope Regular \
    -EwsMaxConcurrency Unlimited -EwsMaxBurst Unlimited -EwsRechargeRate Unlimited \
    -EwsCutoffBalance Unlimited -EwsMaxSubscriptions 5000\n\
    Set-ThrottlingPolicyAssociation -Identity {account} -ThrottlingPolicy Calway";

const ROLE: &str = "Get-ManagementRoleAssignment -Role ApplicationImpersonation \
    -GetEffectiveUsers | Where-Object EffectiveUserName -like *{user}* | \
    Format-List Name, CustomRecipientWriteScope\n\
    Add-DistributionGroupMember Calway-Mailboxes -Member {mailbox}";

const OFFERED: &str = "Get-WebServicesVirtualDirectory -ADPropertiesOnly | Format-Table Server, \
    BasicAuthentication, WindowsAuthentication -AutoSize";

const TOLD: &str = "Get-ClientAccessService | Format-List Name, AutoDiscoverServiceInternalUri, \
    AutoDiscoverSiteScope";

/// How servers are found.
pub(super) const FINDING: &[Check] = &[
    Check {
        name: "scp",
        place: Place::Calendar,
        asks: "Does the directory name Autodiscover's places (service connection points)?",
        needs: &["secrets"],
        troubles: &[
            warn(
                "none",
                "the directory {directory} names no service connection point",
                &["Exchange writes one for each server. Without them Autodiscover goes by the \
                   hosts of the domains; leave `scp` out then. What Exchange wrote:"],
                exchange(TOLD),
            ),
            fail(
                "refused",
                "{directory}: {why}",
                &["The account is locked, disabled or its password another one. It was tried \
                   once; {kept}."],
                windows(USER),
            ),
            fail(
                "failed",
                "the directory {directory}: {why}",
                &["See that `scp.server` names a domain controller that this machine may reach \
                   (636 for ldaps, 389 for ldap), and that its certificate comes from an \
                   authority that `ca_file` or the system knows."],
                here("openssl s_client -connect {directory} -showcerts"),
            ),
        ],
    },
    Check {
        name: "autodiscover",
        place: Place::Calendar,
        asks: "Does Autodiscover say where the test mailboxes are served?",
        needs: &["secrets"],
        troubles: &[
            fail(
                "waits-for-trust",
                "Autodiscover leads to {waiting}, which nobody vouched for; nothing was sent there",
                &["If it is one of yours, `calway trust allow {waiting}`; if not, `calway trust \
                   block {waiting}`. Each step that led there:"],
                here("calway discover {mailbox}"),
            ),
            fail(
                "unknown-mailbox",
                "Autodiscover does not know {mailbox}: {why}",
                &["See that the address is a mailbox's, and not in Microsoft 365."],
                exchange("Get-Mailbox {mailbox}"),
            ),
            fail(
                "in-the-cloud",
                "{mailbox} is in Microsoft 365",
                &["EWS is closed there: take the mailbox out of this calendar, and name another \
                   one for the check."],
                exchange(
                    "Get-RemoteMailbox -Identity {mailbox} | Format-List RecipientTypeDetails",
                ),
            ),
            fail(
                "refused",
                "{account} is refused where Autodiscover is asked: {why}",
                &["The password is wrong, expired or locked. It was tried once; {kept}. Look at \
                   the account, then set the password anew."],
                windows(USER),
            ),
            warn(
                "no-groups",
                "Autodiscover does not tell of {mailbox}: {why}",
                &["The mailboxes of a server share their streams all the same. If your servers \
                   are of several sites or databases, better groups come with an Autodiscover \
                   that answers; else leave `autodiscover` out."],
                exchange(TOLD),
            ),
            fail(
                "not-found",
                "no server was found for {mailbox}: {why}",
                &["`calway discover {mailbox}` shows each step and why it failed. What Exchange \
                   tells programs:"],
                exchange(TOLD),
            ),
        ],
    },
];

/// What it offers and lets us do.
pub(super) const CHECKS: &[Check] = &[
    Check {
        name: "offers",
        place: Place::Calendar,
        asks: "Is it EWS, and which ways to sign in does it offer?",
        needs: &["tls"],
        troubles: &[
            fail(
                "none-of-ours",
                "the server offers {offered}, and `auth` allows {ways}",
                &["Turn one of the ways of `auth` on in Exchange (WindowsAuthentication is \
                   Kerberos and NTLM), or allow one that it offers."],
                exchange(OFFERED),
            ),
            fail(
                "not-ews",
                "{url} answers {status}",
                &["Something answers there, and it is not EWS. The path is \
                   /EWS/Exchange.asmx; which URL the programs of users are told:"],
                exchange(
                    "Get-WebServicesVirtualDirectory -ADPropertiesOnly | Format-Table Server, \
                     InternalUrl, ExternalUrl -AutoSize",
                ),
            ),
            fail(
                "away",
                "{url} answers {status}",
                &["The server, or the load balancer in front, cannot answer now. See that the \
                   application pools of Exchange run and that the balancer knows a server that \
                   is well."],
                exchange("Test-ServiceHealth"),
            ),
            fail(
                "no-answer",
                "TLS works, and then nothing is answered: {why}",
                &[
                    "Look at what stands in front of Exchange. It may want a client certificate: let \
                   it ignore those for this path.",
                ],
                None,
            ),
        ],
    },
    Check {
        name: "sign-in",
        place: Place::Calendar,
        asks: "Does the server take the account and its secret? (One try; a refused secret is not \
               sent again.)",
        needs: &["offers", "secrets"],
        troubles: &[
            fail(
                "refused",
                "{account} is refused: {why}",
                &[
                    "The password is wrong, expired or locked. It was tried once; {kept}. Look at \
                     the account, then set the password anew.",
                    "If the password is right, it is Extended Protection: something on the way \
                     opens TLS and shows another certificate than the server's own. This, on the \
                     server, says whether it is required:",
                ],
                windows(
                    "Get-ADUser {user} -Properties LockedOut, PasswordExpired, Enabled\n\
                         .\\ExchangeExtendedProtectionManagement.ps1 -ShowExtendedProtection",
                ),
            ),
            fail(
                "refused-before",
                "{account} was refused not long ago with this secret; it was not sent again",
                &["Set the right password: it is tried at once. If the account was mended and \
                   the password is the same, `calway discover ADDRESS --try-again` sends it once \
                   more."],
                here("calway secret set {secret}"),
            ),
            fail(
                "refused-here",
                "this server refuses a secret that another server takes",
                &[
                    "Most likely Extended Protection: a load balancer in front of this server opens \
                   TLS and shows a certificate of its own. Let it show the servers' certificate, \
                   or pass TLS through.",
                ],
                windows(PROTECTION),
            ),
            fail(
                "in-doubt",
                "another server refused the secret a moment ago; it was not sent here",
                &["Look at the other server first. If the secret is right there, run the check \
                   again."],
                None,
            ),
            fail(
                "kerberos",
                "{why}",
                &["Kerberos needs the name {host} registered for the servers' account, a clock \
                   within five minutes of the domain's, and a domain controller that this \
                   machine reaches. Or allow \"ntlm\" in `auth`."],
                windows("setspn -Q HTTP/{host}"),
            ),
            fail(
                "busy",
                "the server asks to wait: {why}",
                &["Wait, and run the check again. If it stays so, look at the server's own load."],
                exchange("Test-ServiceHealth"),
            ),
            fail(
                "failed",
                "the sign-in came to no end: {why}",
                &["Look at what stands in front of Exchange: a load balancer must keep one \
                   connection of ours on one connection to a server."],
                exchange("Test-ServiceHealth"),
            ),
        ],
    },
    Check {
        name: "protection",
        place: Place::Calendar,
        asks: "Is Extended Protection met?",
        needs: &["sign-in"],
        troubles: &[
            fail(
                "broken",
                "the sign-in is bound to the certificate that arrives here, and the server has \
                 another one",
                &[
                    "Let the load balancer, or the TLS inspection, show the same certificate as the \
                   servers, or pass TLS through. What each server demands:",
                ],
                windows(PROTECTION),
            ),
            warn(
                "unbound",
                "the sign-in cannot be bound to this certificate: its signature (Ed25519, or one \
                 that nobody uses any more) has no binding of its own",
                &[
                    "It works where Extended Protection is Allow, and not where it is Require. Have \
                   a certificate issued that is signed with RSA or ECDSA.",
                ],
                windows(PROTECTION),
            ),
        ],
    },
    Check {
        name: "version",
        place: Place::Calendar,
        asks: "Which Exchange is it?",
        needs: &["sign-in"],
        troubles: &[warn(
            "too-old",
            "Exchange {version} ({build})",
            &["The connector is made for Exchange 2013 and later. Some of it works with this \
               one; nobody tries it."],
            exchange("Get-ExchangeServer | Format-List Name, AdminDisplayVersion"),
        )],
    },
    Check {
        name: "impersonation",
        place: Place::Calendar,
        asks: "May the account act in the test mailboxes, one of each domain?",
        needs: &["sign-in"],
        troubles: &[
            fail(
                "denied",
                "{account} may not act in {mailbox}: {why}",
                &[
                    "Give the role for this mailbox: the first line shows what is in force, and the \
                   second puts it into the group of the scope (/usr/share/doc/calway/guide/exchange.md, \
                   The role). \
                   It can take some minutes until every server knows.",
                ],
                exchange(ROLE),
            ),
            fail(
                "no-role",
                "{account} may act in nobody's mailbox: {why}",
                &["It has no role ApplicationImpersonation. Give it, with the scope of \
                   /usr/share/doc/calway/guide/exchange.md (The role) or for the whole \
                   organisation:"],
                exchange(
                    "New-ManagementRoleAssignment -Name Calway-Impersonation -Role \
                     ApplicationImpersonation -User {account} -CustomRecipientWriteScope \
                     Calway-Mailboxes",
                ),
            ),
            fail(
                "no-mailbox",
                "Exchange knows no mailbox {mailbox}: {why}",
                &["It was deleted, its address has changed, or it is another organisation's."],
                exchange("Get-Mailbox {mailbox}"),
            ),
            fail(
                "moved",
                "{mailbox} is served elsewhere: {why}",
                &[
                    "Name the address of its own server in `url`, or let the connector find servers \
                   with `discover`.",
                ],
                exchange(TOLD),
            ),
            fail(
                "failed",
                "whether {account} may act in {mailbox} is not answered: {why}",
                &["Run the check again. If it stays so, look for the request in the server's \
                   EWS log (Logging\\Ews)."],
                exchange("Get-Mailbox -Identity {mailbox} | Format-List Database, ServerName"),
            ),
        ],
    },
    Check {
        name: "throttling",
        place: Place::Calendar,
        asks: "Does Exchange let us work at our usual pace: ten requests, two at once a mailbox?",
        needs: &["impersonation"],
        troubles: &[
            warn(
                "slowed",
                "Exchange asked to wait ({why})",
                &["The connector obeys, and is slower. The account has no throttling policy of \
                   its own, or a narrow one: give it room. Nobody else's is changed by it."],
                exchange(POLICY),
            ),
            warn(
                "fails",
                "{failed} of {asked} requests failed: {why}",
                &["Run the check again; if it stays so, look at the server's own load."],
                exchange("Test-ServiceHealth"),
            ),
        ],
    },
    Check {
        name: "rooms",
        place: Place::Calendar,
        asks: "Do the test rooms keep what invitations say?",
        needs: &["sign-in"],
        troubles: &[
            warn(
                "strips-text",
                "none of {meetings} meetings in it has a text: it empties what it is sent, as rooms \
                 do by default, unless nobody writes one",
                &["Let it keep the text: without it the room's screen has no Join button. It \
                   concerns invitations from then on."],
                exchange("Set-CalendarProcessing {mailbox} -DeleteComments $false"),
            ),
            warn(
                "strips-title",
                "none of {meetings} meetings in it has its title, but its organiser's name or \
                 nothing, as in rooms by default",
                &["Let it keep titles. It concerns invitations from then on."],
                exchange(
                    "Set-CalendarProcessing {mailbox} -DeleteSubject $false \
                     -AddOrganizerToSubject $false",
                ),
            ),
            warn(
                "strips-both",
                "none of {meetings} meetings in it has a text, and none its title, but its \
                 organiser's name: it empties what it is sent, as rooms do by default",
                &["Let it keep both: without the text the room's screen has no Join button. It \
                   concerns invitations from then on."],
                exchange(
                    "Set-CalendarProcessing {mailbox} -DeleteComments $false -DeleteSubject \
                     $false -AddOrganizerToSubject $false -RemovePrivateProperty $false",
                ),
            ),
            fail(
                "unreadable",
                "it cannot be read: {why}",
                &["A room is a member of the scope as a user is."],
                exchange(ROLE),
            ),
        ],
    },
];

#[cfg(test)]
mod tests {
    use super::USER;

    #[test]
    fn a_refused_sign_in_shows_the_account_first() {
        let (_, command) = super::super::trouble("sign-in", "refused").unwrap().command.unwrap();
        assert!(command.starts_with(USER));
    }
}
