//! The simulated Exchange, cloud and key server that Calway is tested and demonstrated against.
//!
//! The lab speaks bytes only and never imports the connector, so that a wrong belief cannot hide on
//! both sides. It is a library for tests (`Exchange::start`, `Cloud::start`) and a program for
//! everybody else (`cargo run -p calway-lab -- exchange --help`).
//!
//! # What the Exchange can be told to do wrong
//!
//! `exchange.faults()` takes a [`Fault`](exchange::Fault) for the next, the next n or all requests
//! of an operation or a mailbox:
//!
//! - `ServerBusy`: ErrorServerBusy as a SOAP fault, or hidden inside ErrorInternalServerError, with
//!   or without BackOffMilliseconds;
//! - `ConnectionCount`: ErrorExceededConnectionCount, which may suggest 0 ms;
//! - `Http`: a bare status, 503 for example, with or without Retry-After;
//! - `RedirectToErrorPage`: 302 to an HTML page;
//! - `Hang`: no byte until the client goes;
//! - `Cut`: the connection ends after so many bytes of the body;
//! - `Delay`: the request is done later;
//! - `LoseRequest`, `LoseAnswer`: the connection ends without a byte, before or after the effect;
//! - `HoldAnswer`, `LateAnswer`: the effect is there, the answer waits for `Faults::release` or
//!   comes later;
//! - `HttpAfter`, `ResponseCodeAfter`: the effect is there, and the answer says that it is not;
//! - `RivalEdit`: somebody else writes into the same body just before an UpdateItem;
//! - `ResponseCode`: any code in the response messages (ErrorInvalidSyncStateData,
//!   ErrorItemNotFound, ErrorMailboxMoveInProgress, ErrorReadEventsFailed …);
//! - `SoapFault`: any code as a fault;
//! - `StreamSilent`: the stream stays open, without notifications and heartbeats;
//! - `StreamError`: an error in a stream whose ConnectionStatus stays OK
//!   (ErrorMissedNotificationEvents …);
//! - `LoseNotification`: a change that nobody hears of;
//! - `SplitEnvelopes`, `JoinEnvelopes`: envelopes cut in the middle, or two in one chunk;
//! - `GarbageXml`, `IllegalCharacters`: XML that breaks off, or holds what XML forbids.
//!
//! Beyond faults of single requests:
//!
//! - `cut`, `restore`, `drop_connections`: the port refuses and all connections are reset, it is
//!   back again, or the connections are reset and new ones are welcome;
//! - `AccessLog::touched`: which mailboxes were the business of which operation;
//! - `Calendars`: mail in inboxes, out-of-office, languages, errors of free/busy; mailboxes
//!   removed, moved to another back end, another server or the cloud, impersonation denied;
//! - [`Options`](exchange::Options): other SOAP prefixes, back ends with affinity by cookie
//!   (without it ErrorSubscriptionNotFound), HangingConnectionLimit, EWSMaxSubscriptions,
//!   EWSMaxConcurrency, a limit of connections, Extended Protection, an account that wrong
//!   passwords lock, sign-in schemes that are not offered, a certificate that is expired,
//!   self-signed or another host's;
//! - `Gate::set_password`: the password changes under a running client.
//!
//! Beside it: [`site`], web sites that are no Exchange, and [`dns`], a name server with SRV
//! records.
//!
//! # What the cloud can be told to do wrong
//!
//! [`cloud::faults`]: an HTTP status with Retry-After, a connection that ends before or after the
//! events were stored, answers that hang, come late, break off or are rubbish, revoked tokens,
//! events rejected for a reason, a channel that closes with a code, falls silent or repeats every
//! command; and `cut`, `restore`, `drop_connections`.
//!
//! # What the key server can be told to do wrong
//!
//! [`kms::faults`]: unavailable, hung or late, errors with any status and code, answers in reverse
//! order; a chain that ends elsewhere, a certificate of another key, another host or expired, none
//! at all; answers signed by the wrong key or by nobody, payloads altered, request ids exchanged;
//! sessions reset or forgotten, keys revoked or moved.

pub mod canary;
pub mod cloud;
pub mod directory;
pub mod dns;
mod endpoint;
pub mod exchange;
pub mod jose;
pub mod kms;
pub mod people;
pub mod port;
pub mod site;
pub mod stage;
pub mod tls;

/// The time of a clock that is so many seconds ahead, as HTTP writes it.
pub(crate) fn date_ahead(seconds: i64) -> String {
    let now = jiff::Timestamp::now().as_second().saturating_add(seconds);
    let then = jiff::Timestamp::from_second(now).unwrap_or_default();
    then.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
