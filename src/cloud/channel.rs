//! The command channel: a WebSocket (RFC 6455) over the link's own TLS session.

use std::collections::VecDeque;
use std::io;
use std::time::Duration;

use futures_util::{SinkExt, StreamExt};
use http::header::{AUTHORIZATION, SEC_WEBSOCKET_PROTOCOL, USER_AGENT};
use http::{HeaderValue, Request, StatusCode, Uri};
use tokio::sync::{mpsc, watch};
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep_until, timeout};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, WebSocketConfig};
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::cloud::link::{Shared, USER_AGENT_TEXT, authorization};
use crate::cloud::{Answered, ChannelEnd, Heard, wire};
use crate::model::{Fault, Next, Secret};
use crate::net::{Origin, Stream, status};

const SUBPROTOCOL: &str = "cloudevents.json";
/// The longest frame that is taken.
const LONGEST_FRAME: usize = 1 << 20;
/// Commands read but not yet taken over; with more, nothing is read until the receiver catches up.
const WAITING: usize = 256;
/// The farewell is not waited for longer than this.
const FAREWELL: Duration = Duration::from_secs(2);

type Socket = WebSocketStream<Stream>;

/// Opens the channel and keeps it until it ends.
pub(super) async fn run(
    link: &Shared,
    after: u64,
    heard: mpsc::Sender<Heard>,
    answers: mpsc::Receiver<Answered>,
    mut stop: watch::Receiver<bool>,
) -> ChannelEnd {
    let opened = tokio::select! {
        opened = open(link, after) => opened,
        () = stopped(&mut stop) => return ChannelEnd::Stopped,
    };
    let socket = match opened {
        Ok(socket) => socket,
        Err(fault) => return ChannelEnd::Failed(fault),
    };
    let waiting = VecDeque::from([Heard::Open]);
    let mut channel = Channel { link, socket, waiting, ignored: 0, last: Instant::now() };
    let end = channel.keep(&heard, answers, stop).await;
    if channel.ignored > 0 {
        tracing::warn!(frames = channel.ignored, "channel frames without a usable id were ignored");
    }
    end
}

async fn stopped(stop: &mut watch::Receiver<bool>) {
    // A sender that is gone stops us as well: nobody is left to do so later.
    let _ = stop.wait_for(|stop| *stop).await;
}

async fn open(link: &Shared, after: u64) -> Result<Socket, Fault> {
    let wait = link.options.answer_timeout;
    match timeout(wait, open_signed_in(link, after)).await {
        Ok(result) => result,
        Err(_) => Err(Fault::retry("channel: no answer in time")),
    }
}

async fn open_signed_in(link: &Shared, after: u64) -> Result<Socket, Fault> {
    let mut refused: Option<Secret> = None;
    loop {
        let token = link.token.get(&link.client, refused.as_ref()).await?;
        match upgrade(link, after, &token).await {
            Err(Error::Http(answer))
                if answer.status() == StatusCode::UNAUTHORIZED && refused.is_none() =>
            {
                refused = Some(token);
            }
            Err(error) => return Err(fault(&error)),
            Ok(result) => return result,
        }
    }
}

/// The inner result is for what went wrong before a byte of HTTP was sent.
async fn upgrade(
    link: &Shared,
    after: u64,
    token: &Secret,
) -> Result<Result<Socket, Fault>, Error> {
    let origin = match Origin::of(&link.options.url) {
        Ok(origin) => origin,
        Err(fault) => return Ok(Err(fault)),
    };
    let request = match request(link, after, token) {
        Ok(request) => request,
        Err(fault) => return Ok(Err(fault)),
    };
    let stream = match link.client.connector().open(&origin).await {
        Ok(stream) => stream,
        Err(fault) => return Ok(Err(fault)),
    };
    let config = WebSocketConfig::default()
        .max_message_size(Some(LONGEST_FRAME))
        .max_frame_size(Some(LONGEST_FRAME))
        .read_buffer_size(16 * 1024)
        .write_buffer_size(16 * 1024)
        .max_write_buffer_size(4 << 20);
    let (socket, _) =
        tokio_tungstenite::client_async_with_config(request, stream, Some(config)).await?;
    Ok(Ok(socket))
}

fn request(link: &Shared, after: u64, token: &Secret) -> Result<Request<()>, Fault> {
    let path = format!("/v1/channel?after={}", wire::sequence_text(after));
    let address =
        Origin::join(&link.options.url, &path)?.to_string().replacen("https://", "wss://", 1);
    let unwritable = || Fault::refused("the channel's request cannot be written");
    let uri = Uri::try_from(address).map_err(|_| unwritable())?;
    let mut request = uri.into_client_request().map_err(|_| unwritable())?;
    let headers = request.headers_mut();
    headers.insert(AUTHORIZATION, authorization(token)?);
    headers.insert(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(SUBPROTOCOL));
    headers.insert(USER_AGENT, HeaderValue::from_static(USER_AGENT_TEXT));
    Ok(request)
}

fn fault(error: &Error) -> Fault {
    match error {
        Error::Http(answer) => {
            let mut fault = status::of(answer.status(), answer.headers());
            if fault.next == Next::Refused {
                fault.next = Next::Retry { after: None };
            }
            fault.cause.code.insert_str(0, "channel: ");
            fault
        }
        Error::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Fault::retry("channel: the server hung up")
        }
        Error::Io(error) => Fault::retry(format!("channel: {}", error.kind())),
        Error::Capacity(_) => Fault::retry("channel: a frame is too long"),
        Error::Protocol(_) | Error::Utf8(_) => Fault::retry("channel: not a WebSocket as agreed"),
        _ => Fault::retry("channel: it broke"),
    }
}

struct Channel<'a> {
    link: &'a Shared,
    socket: Socket,
    waiting: VecDeque<Heard>,
    ignored: u64,
    /// When the peer was heard of last.
    last: Instant,
}

impl Channel<'_> {
    async fn keep(
        &mut self,
        heard: &mpsc::Sender<Heard>,
        mut answers: mpsc::Receiver<Answered>,
        mut stop: watch::Receiver<bool>,
    ) -> ChannelEnd {
        let ping = self.link.options.ping;
        let mut tick = interval_at(Instant::now() + ping, ping);
        tick.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            // While nothing is read, nothing can be heard, and silence means nothing.
            let reads = self.waiting.len() < WAITING;
            let dead = self.last + self.link.options.silence;
            let step = tokio::select! {
                biased;
                () = stopped(&mut stop) => return self.leave(&mut answers).await,
                permit = heard.reserve(), if !self.waiting.is_empty() => match permit {
                    Ok(permit) => {
                        if let Some(next) = self.waiting.pop_front() {
                            permit.send(next);
                        }
                        if self.waiting.len() + 1 == WAITING {
                            self.last = Instant::now();
                        }
                        Ok(())
                    }
                    Err(_) => return self.leave(&mut answers).await,
                },
                Some(answered) = answers.recv() => self.acknowledge(&answered).await,
                _ = tick.tick() => self.write(Message::Ping(Default::default())).await,
                frame = self.socket.next(), if reads => self.take(frame),
                () = sleep_until(dead), if reads => {
                    Err(ChannelEnd::Failed(Fault::retry("channel: the server is silent")))
                }
            };
            if let Err(end) = step {
                return end;
            }
        }
    }

    fn take(&mut self, frame: Option<Result<Message, Error>>) -> Result<(), ChannelEnd> {
        self.last = Instant::now();
        match frame {
            Some(Ok(Message::Text(text))) => match wire::command(&text) {
                Some(command) => self.waiting.push_back(Heard::Command(command)),
                None => self.ignored += 1,
            },
            Some(Ok(Message::Binary(_))) => self.ignored += 1,
            Some(Ok(Message::Close(frame))) => return Err(closed(frame.as_ref())),
            Some(Ok(_)) => {}
            Some(Err(error)) => return Err(ChannelEnd::Failed(fault(&error))),
            None => return Err(ChannelEnd::Failed(Fault::retry("channel: the server hung up"))),
        }
        Ok(())
    }

    async fn acknowledge(&mut self, answered: &Answered) -> Result<(), ChannelEnd> {
        let frame = wire::outcome(&self.link.source, answered).map_err(ChannelEnd::Failed)?;
        self.write(Message::text(frame)).await
    }

    async fn write(&mut self, message: Message) -> Result<(), ChannelEnd> {
        match timeout(self.link.options.silence, self.socket.send(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error)) => Err(ChannelEnd::Failed(fault(&error))),
            Err(_) => Err(ChannelEnd::Failed(Fault::retry("channel: the server reads nothing"))),
        }
    }

    /// Sends what is still to be acknowledged, and says goodbye.
    async fn leave(&mut self, answers: &mut mpsc::Receiver<Answered>) -> ChannelEnd {
        while let Ok(answered) = answers.try_recv() {
            if let Err(end) = self.acknowledge(&answered).await {
                return end;
            }
        }
        let _ = timeout(FAREWELL, async {
            if self.socket.close(None).await.is_ok() {
                while let Some(Ok(_)) = self.socket.next().await {}
            }
        })
        .await;
        ChannelEnd::Stopped
    }
}

fn closed(frame: Option<&CloseFrame>) -> ChannelEnd {
    let code = frame.map_or(1005, |frame| u16::from(frame.code));
    if code == 4409 {
        return ChannelEnd::Replaced;
    }
    ChannelEnd::Failed(Fault::retry(format!("channel: closed with code {code}")))
}
