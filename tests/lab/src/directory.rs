//! A directory that knows service connection points and nothing else: LDAP (RFC 4511) over TLS,
//! sign-in by name and password, and answers that no parser should meet.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpSocket};
use tokio::task::JoinHandle;
use tokio_rustls::TlsAcceptor;

use crate::port::hold;
use crate::tls::Leaf;

/// Where its configuration begins, and its own place in it.
const CONFIGURATION: &str = "CN=Configuration,DC=corp,DC=example";
const SERVICE: &str = "CN=NTDS Settings,CN=DC1,CN=Servers,CN=Rome,CN=Sites,CN=Configuration,\
                       DC=corp,DC=example";

/// A service connection point.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Point {
    /// `keywords`.
    pub keywords: Vec<String>,
    /// `serviceBindingInformation`.
    pub bindings: Vec<String>,
}

/// How it answers a search.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Manner {
    /// As it should.
    #[default]
    Well,
    /// With one message that is nested so deep.
    Deep(usize),
    /// With the beginning of a message that is four gigabytes long, and bytes without end.
    Endless,
    /// With good entries without end.
    Flood,
    /// With a number where a message should be.
    Nonsense,
    /// It takes no sign-in (RFC 4511, invalidCredentials).
    Refuses,
}

/// A running directory; it stops when it is dropped.
#[derive(Debug)]
pub struct Directory {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: JoinHandle<()>,
}

#[derive(Debug, Default)]
struct Shared {
    points: Mutex<Vec<Point>>,
    manner: Mutex<Manner>,
    binds: Mutex<Vec<(String, String)>>,
    connections: Mutex<usize>,
}

impl Drop for Directory {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Directory {
    /// Serves these entries; its own server stands in the site Rome.
    pub async fn start(leaf: &Leaf, points: Vec<Point>) -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let acceptor = TlsAcceptor::from(leaf.server_config());
        let shared = Arc::new(Shared { points: Mutex::new(points), ..Shared::default() });
        let own = Arc::clone(&shared);
        let accepting = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                *lock(&own.connections) += 1;
                let (shared, acceptor) = (Arc::clone(&own), acceptor.clone());
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(stream).await?;
                    while let Some(request) = read(&mut stream).await? {
                        if !shared.answer(&request, &mut stream).await? {
                            break;
                        }
                    }
                    stream.shutdown().await
                });
            }
        });
        Ok(Self { address, shared, accepting })
    }

    /// Stops it: from now on whoever comes is refused. The port is nobody else's as long as what is
    /// returned lives.
    ///
    /// # Errors
    /// What the system says.
    pub async fn close(mut self) -> io::Result<TcpSocket> {
        self.accepting.abort();
        let _ = (&mut self.accepting).await;
        hold(self.address)
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// From now on it has these entries.
    pub fn set(&self, points: Vec<Point>) {
        *lock(&self.shared.points) = points;
    }

    /// From now on it answers so.
    pub fn behave(&self, manner: Manner) {
        *lock(&self.shared.manner) = manner;
    }

    /// Who signed in, with which password.
    pub fn binds(&self) -> Vec<(String, String)> {
        lock(&self.shared.binds).clone()
    }

    /// How many connections were opened to it.
    pub fn connections(&self) -> usize {
        *lock(&self.shared.connections)
    }
}

impl Shared {
    /// Whether it listens on.
    async fn answer(
        &self,
        request: &[u8],
        stream: &mut (impl AsyncWriteExt + Unpin),
    ) -> io::Result<bool> {
        let parts = elements(request);
        let (Some((0x02, id)), Some((tag, operation))) = (parts.first(), parts.get(1)) else {
            return Ok(false);
        };
        let fields = elements(operation);
        let text = |at: usize| {
            let content = fields.get(at).map(|(_, content)| *content).unwrap_or_default();
            String::from_utf8_lossy(content).into_owned()
        };
        let say = |operation: Vec<u8>| element(0x30, &[element(0x02, id), operation].concat());
        match tag {
            0x60 => {
                lock(&self.binds).push((text(1), text(2)));
                let refuses = *lock(&self.manner) == Manner::Refuses;
                stream.write_all(&say(done(0x61, if refuses { 49 } else { 0 }))).await?;
            }
            0x63 if text(0).is_empty() => {
                let root = [
                    ("configurationNamingContext", vec![CONFIGURATION.to_owned()]),
                    ("dsServiceName", vec![SERVICE.to_owned()]),
                ];
                let answer = [say(entry("", &root)), say(done(0x65, 0))].concat();
                stream.write_all(&answer).await?;
            }
            0x63 => {
                let manner = *lock(&self.manner);
                let points = lock(&self.points).clone();
                let good = |point: Point| {
                    let rows = [
                        ("keywords", point.keywords),
                        ("serviceBindingInformation", point.bindings),
                    ];
                    say(entry("CN=EX01,CN=Autodiscover", &rows))
                };
                match manner {
                    Manner::Well => {
                        let mut answer: Vec<u8> = points.into_iter().flat_map(good).collect();
                        answer.extend(say(done(0x65, 0)));
                        stream.write_all(&answer).await?;
                    }
                    Manner::Deep(levels) => {
                        stream.write_all(&say(element(0x64, &nested(levels)))).await?;
                    }
                    Manner::Endless => {
                        stream.write_all(&[0x30, 0x84, 0xFF, 0xFF, 0xFF, 0xFF]).await?;
                        loop {
                            stream.write_all(&[0; 64 * 1024]).await?;
                        }
                    }
                    Manner::Flood => {
                        let values = vec!["x".repeat(1 << 20)];
                        let large = good(Point { keywords: values, bindings: Vec::new() });
                        loop {
                            stream.write_all(&large).await?;
                        }
                    }
                    Manner::Nonsense | Manner::Refuses => {
                        stream.write_all(&element(0x02, &[7])).await?
                    }
                }
            }
            _ => return Ok(false),
        }
        stream.flush().await?;
        Ok(true)
    }
}

/// The content of the next message; nothing at the end.
async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> io::Result<Option<Vec<u8>>> {
    let mut head = [0; 2];
    if stream.read_exact(&mut head).await.is_err() {
        return Ok(None);
    }
    let mut length = usize::from(head[1]);
    if length >= 0x80 {
        let mut digits = vec![0; length - 0x80];
        stream.read_exact(&mut digits).await?;
        length = digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit));
    }
    let mut content = vec![0; length.min(1 << 20)];
    stream.read_exact(&mut content).await?;
    Ok(Some(content))
}

/// The elements that stand side by side, with their tags.
fn elements(mut bytes: &[u8]) -> Vec<(u8, &[u8])> {
    let mut found = Vec::new();
    while let [tag, first, rest @ ..] = bytes {
        let more = if *first < 0x80 { 0 } else { usize::from(first - 0x80) };
        let (Some(digits), Some(rest)) = (rest.get(..more), rest.get(more..)) else { break };
        let length = match more {
            0 => usize::from(*first),
            _ => digits.iter().fold(0, |sum, digit| sum << 8 | usize::from(*digit)),
        };
        let (Some(content), Some(after)) = (rest.get(..length), rest.get(length..)) else { break };
        found.push((*tag, content));
        bytes = after;
    }
    found
}

fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let mut out = head(tag, content.len());
    out.extend(content);
    out
}

/// Active Directory writes lengths with four bytes.
fn head(tag: u8, length: usize) -> Vec<u8> {
    let mut out = vec![tag, 0x84];
    out.extend(u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    out
}

/// The end of a bind or a search; 0 is success.
fn done(tag: u8, code: u8) -> Vec<u8> {
    element(tag, &[element(0x0A, &[code]), element(0x04, &[]), element(0x04, &[])].concat())
}

fn entry(name: &str, attributes: &[(&str, Vec<String>)]) -> Vec<u8> {
    let attribute = |(name, values): &(&str, Vec<String>)| {
        let values: Vec<u8> =
            values.iter().flat_map(|value| element(0x04, value.as_bytes())).collect();
        element(0x30, &[element(0x04, name.as_bytes()), element(0x31, &values)].concat())
    };
    let attributes: Vec<u8> = attributes.iter().flat_map(attribute).collect();
    element(0x64, &[element(0x04, name.as_bytes()), element(0x30, &attributes)].concat())
}

/// So many elements, each within the one before.
fn nested(levels: usize) -> Vec<u8> {
    const HEAD: usize = 6;
    (0..levels).rev().flat_map(|inner| head(0x30, inner * HEAD)).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let row = [("keywords", vec!["a".to_owned(), "b".to_owned()])];
        let written = entry("CN=x", &row);
        let [(0x64, content)] = elements(&written)[..] else { panic!("{written:?}") };
        let [(0x04, name), (0x30, attributes)] = elements(content)[..] else { panic!() };
        assert_eq!(name, b"CN=x");
        let [(0x30, attribute)] = elements(attributes)[..] else { panic!() };
        let [(0x04, b"keywords"), (0x31, values)] = elements(attribute)[..] else { panic!() };
        assert_eq!(elements(values), [(0x04, &b"a"[..]), (0x04, &b"b"[..])]);
        assert_eq!(elements(&nested(2)), [(0x30, &nested(1)[..])]);
    }
}
