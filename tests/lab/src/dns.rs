//! A name server that knows some SRV records and nothing else (RFC 1035, RFC 2782), over UDP.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::net::UdpSocket;
use tokio::task::AbortHandle;

const SRV: u16 = 33;
const NAME_ERROR: u8 = 3;

/// One record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Srv {
    /// `_autodiscover._tcp.corp.example`, without the final dot.
    pub name: String,
    /// Lower ones come first.
    pub priority: u16,
    /// Its part of the chance.
    pub weight: u16,
    /// The port.
    pub port: u16,
    /// The host; empty says that there is no such service.
    pub target: String,
}

/// A running server; it stops when it is dropped.
#[derive(Debug)]
pub struct NameServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    serving: AbortHandle,
}

impl Drop for NameServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

impl NameServer {
    /// Serves these records, in this order, on a free port.
    pub async fn start(records: Vec<Srv>) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&asked);
        let serving = tokio::spawn(async move {
            let mut buffer = [0; 1_500];
            while let Ok((length, from)) = socket.recv_from(&mut buffer).await {
                let Some(question) = buffer.get(..length).and_then(Question::read) else {
                    continue;
                };
                lock(&heard).push(question.name.clone());
                let _ = socket.send_to(&question.answer(&records), from).await;
            }
        });
        Ok(Self { address, asked, serving: serving.abort_handle() })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The names that it was asked for.
    pub fn asked(&self) -> Vec<String> {
        lock(&self.asked).clone()
    }
}

/// A query with one question.
struct Question {
    id: [u8; 2],
    name: String,
    kind: u16,
    /// As it was sent, to be repeated.
    bytes: Vec<u8>,
}

impl Question {
    fn read(message: &[u8]) -> Option<Self> {
        let id = [*message.first()?, *message.get(1)?];
        let mut at = 12;
        let mut labels = Vec::new();
        loop {
            let length = usize::from(*message.get(at)?);
            if length == 0 {
                at += 1;
                break;
            }
            labels
                .push(String::from_utf8_lossy(message.get(at + 1..at + 1 + length)?).into_owned());
            at += 1 + length;
        }
        let kind = u16::from_be_bytes([*message.get(at)?, *message.get(at + 1)?]);
        let bytes = message.get(12..at + 4)?.to_vec();
        Some(Self { id, name: labels.join(".").to_ascii_lowercase(), kind, bytes })
    }

    fn answer(&self, records: &[Srv]) -> Vec<u8> {
        let own: Vec<&Srv> =
            records.iter().filter(|record| record.name.eq_ignore_ascii_case(&self.name)).collect();
        let code = if own.is_empty() { NAME_ERROR } else { 0 };
        let own = if self.kind == SRV { own } else { Vec::new() };
        let count = u16::try_from(own.len()).unwrap_or(0).to_be_bytes();
        let mut out = self.id.to_vec();
        // A response, authoritative, recursion desired and available.
        out.extend([0x85, 0x80 | code, 0, 1, count[0], count[1], 0, 0, 0, 0]);
        out.extend(&self.bytes);
        for record in own {
            let mut data = Vec::new();
            for number in [record.priority, record.weight, record.port] {
                data.extend(number.to_be_bytes());
            }
            for label in record.target.split('.').filter(|label| !label.is_empty()) {
                data.push(u8::try_from(label.len()).unwrap_or(0));
                data.extend(label.as_bytes());
            }
            data.push(0);
            // The name of the question, SRV, IN, a minute.
            out.extend([0xC0, 12, 0, 33, 0, 1, 0, 0, 0, 60]);
            out.extend(u16::try_from(data.len()).unwrap_or(0).to_be_bytes());
            out.extend(data);
        }
        out
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
