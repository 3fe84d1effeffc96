//! The command channel: what is sent down, what comes up, and when a channel ends.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use tokio::sync::watch;
use tokio::time::{Instant, MissedTickBehavior, interval};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use super::core::Core;
use super::event;
use super::faults::Fault;
use super::front::Gate;

/// The subprotocol: each text frame is one CloudEvent.
pub(super) const SUBPROTOCOL: &str = "cloudevents.json";
/// How often each end pings.
const PING_EVERY: Duration = Duration::from_secs(15);
/// After how long a silent peer is dead.
const DEAD_AFTER: Duration = Duration::from_secs(45);
/// The longest message, in bytes.
const LONGEST: usize = 256 * 1024;

/// Close codes of the protocol.
pub mod close {
    /// A frame that is not of the protocol.
    pub const MALFORMED: u16 = 4400;
    /// The token is no longer good.
    pub const TOKEN: u16 = 4401;
    /// Another channel of the same connector was opened.
    pub const REPLACED: u16 = 4409;
}

/// A command, and what became of it.
#[derive(Clone, Debug)]
pub struct Command {
    /// Its id.
    pub id: String,
    /// Its place in the order of commands.
    pub sequence: u64,
    /// `user.activate` and so on.
    pub kind: String,
    /// The user it concerns, or `*`.
    pub subject: String,
    /// Its data.
    pub data: Value,
    /// When it was given.
    pub time: Timestamp,
    /// How often it was sent.
    pub sent: u32,
    /// How often an outcome came.
    pub told: u32,
    /// How it ended, once the connector has said so.
    pub outcome: Option<Outcome>,
}

/// How a command ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// `done`, `refused` or `failed`.
    pub outcome: String,
    /// Why, if it was not done.
    pub reason: Option<String>,
}

impl Command {
    fn frame(&self) -> Message {
        let event = json!({
            "specversion": "1.0",
            "id": self.id,
            "source": "/relay",
            "type": self.kind,
            "subject": self.subject,
            "time": format!("{:.3}", self.time),
            "datacontenttype": "application/json",
            "sequence": event::digits(self.sequence),
            "data": self.data,
        });
        Message::text(event.to_string())
    }
}

/// The outcome that a frame from the connector tells, with the id of its command.
pub(super) fn read_outcome(frame: &str, source: &str) -> Result<(String, Outcome), String> {
    let event: Map<String, Value> =
        serde_json::from_str(frame).map_err(|_| "the frame is not a JSON object")?;
    event::attributes(&event, source)?;
    if event.get("type").and_then(Value::as_str) != Some("command.outcome") {
        return Err("type is not command.outcome".into());
    }
    if !event.get("id").is_some_and(Value::is_string) {
        return Err("id is missing".into());
    }
    let data = event.get("data").ok_or("data is missing")?;
    let outcome = data["outcome"].as_str().unwrap_or_default();
    if !["done", "refused", "failed"].contains(&outcome) {
        return Err("outcome is not done, refused or failed".into());
    }
    event::sequence(data.get("sequence"))?;
    let reason = match &data["reason"] {
        Value::Null => None,
        Value::String(reason) => Some(reason.clone()),
        _ => return Err("reason is not a string".into()),
    };
    if outcome != "done" && reason.is_none() {
        return Err("an outcome other than done has no reason".into());
    }
    let command = data["commandId"].as_str().ok_or("commandId is missing")?;
    Ok((command.into(), Outcome { outcome: outcome.into(), reason }))
}

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// Commands sent whose outcomes have not come. With tens of thousands both sides would be writing,
/// and neither reading.
const MOST_UNDER_WAY: usize = 256;

/// What a channel needs to know of its opening.
pub(super) struct Opening {
    pub(super) token: String,
    pub(super) after: u64,
    pub(super) fault: Option<Fault>,
    pub(super) gate: Gate,
}

/// Runs a channel until one side ends it.
pub(super) async fn run(core: Arc<Core>, upgraded: Upgraded, opening: Opening) {
    let config =
        WebSocketConfig::default().max_message_size(Some(LONGEST)).max_frame_size(Some(LONGEST));
    let stream = TokioIo::new(upgraded);
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(config)).await;
    let mut gate = opening.gate.clone();
    if let Some(Fault::CloseChannel(code)) = opening.fault {
        end(&mut socket, code, "a close was asked for").await;
        return;
    }
    if let Some(Fault::Silent) = opening.fault {
        gate.closed().await;
        return;
    }
    let (number, kicks) = core.open_channel();
    tokio::select! {
        () = talk(&core, &mut socket, &opening, kicks) => {}
        () = gate.closed() => {}
    }
    core.channel_ended(number);
}

/// A channel's number, and the code by which it is to be closed if its number is passed.
pub(super) type Kick = (u64, u16);

async fn talk(
    core: &Arc<Core>,
    socket: &mut Socket,
    opening: &Opening,
    mut kicks: watch::Receiver<Kick>,
) {
    let mut ticks = interval(PING_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut changed = core.changes();
    let mut heard = Instant::now();
    let (pending, mut last) = core.commands_after(opening.after);
    let mut pending = VecDeque::from(pending);
    let mut under_way = 0_usize;
    let repeat = if matches!(opening.fault, Some(Fault::RepeatCommands)) { 2 } else { 1 };
    loop {
        while under_way < MOST_UNDER_WAY
            && let Some(command) = pending.pop_front()
        {
            under_way += 1;
            for _ in 0..repeat {
                if socket.send(command.frame()).await.is_err() {
                    return;
                }
            }
            core.command_sent(&command.id);
        }
        tokio::select! {
            kick = kicks.changed() => {
                let code = if kick.is_ok() { kicks.borrow().1 } else { 1001 };
                return end(socket, code, "").await;
            }
            _ = changed.changed() => {
                let (more, newest) = core.commands_above(last);
                pending.extend(more);
                last = newest;
            }
            _ = ticks.tick() => {
                if heard.elapsed() >= DEAD_AFTER {
                    return;
                }
                if !core.is_connector(&opening.token) {
                    return end(socket, close::TOKEN, "the token is no longer good").await;
                }
                if socket.send(Message::Ping(Vec::new().into())).await.is_err() {
                    return;
                }
            }
            message = socket.next() => {
                heard = Instant::now();
                if matches!(message, Some(Ok(Message::Text(_)))) {
                    under_way = under_way.saturating_sub(1);
                }
                match hear(core, message) {
                    Ok(()) => {}
                    Err(Some((code, reason))) => return end(socket, code, &reason).await,
                    Err(None) => return,
                }
            }
        }
    }
}

/// Takes in one message; an error ends the channel, with a code if the peer is still there.
fn hear(
    core: &Arc<Core>,
    message: Option<Result<Message, Error>>,
) -> Result<(), Option<(u16, String)>> {
    match message {
        None | Some(Ok(Message::Close(_))) => Err(None),
        Some(Err(Error::Capacity(_))) => Err(Some((1009, "the message is too long".into()))),
        Some(Err(_)) => Err(None),
        Some(Ok(Message::Ping(bytes) | Message::Pong(bytes))) => {
            core.recorder.piece().add(&bytes);
            Ok(())
        }
        Some(Ok(Message::Text(text))) => {
            core.recorder.piece().add(text.as_bytes());
            let told = read_outcome(&text, &core.source);
            let (command, outcome) = told.map_err(|reason| Some((close::MALFORMED, reason)))?;
            core.settle_command(&command, outcome);
            Ok(())
        }
        Some(Ok(Message::Binary(bytes))) => {
            core.recorder.piece().add(&bytes);
            Err(Some((1003, "only text frames are spoken here".into())))
        }
        Some(Ok(Message::Frame(_))) => Ok(()),
    }
}

async fn end(socket: &mut Socket, code: u16, reason: &str) {
    // A close reason has 123 bytes at most.
    let reason: String = reason.chars().filter(char::is_ascii).take(120).collect();
    let frame = CloseFrame { code: CloseCode::from(code), reason: reason.into() };
    let _ = socket.close(Some(frame)).await;
    // Ending the connection at once could overtake the close frame on the peer's side.
    let drained = async { while let Some(Ok(_)) = socket.next().await {} };
    let _ = tokio::time::timeout(Duration::from_secs(2), drained).await;
}
