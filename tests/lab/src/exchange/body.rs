//! Bodies of answers: whole ones, streams of envelopes, and what a faulty line makes of both.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::{Stream, StreamExt, stream};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;

/// What the front sends; an error breaks the connection off.
pub type Body = UnsyncBoxBody<Bytes, io::Error>;

type Pieces = Pin<Box<dyn Stream<Item = Vec<u8>> + Send>>;

/// How long an envelope waits for the next one before it goes alone.
const JOIN_WAIT: Duration = Duration::from_secs(1);

/// How a body is laid into chunks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shape {
    /// Cut into pieces of so many bytes.
    pub split_at: Option<usize>,
    /// Two envelopes to a piece.
    pub join: bool,
    /// Break off after so many bytes in all.
    pub cut_after: Option<usize>,
}

/// A body that is known as a whole; `None` of [`Shape::split_at`] gives it a Content-Length.
pub fn whole(bytes: Vec<u8>, shape: Shape) -> Body {
    if shape == Shape::default() {
        return Full::new(Bytes::from(bytes)).map_err(|never| match never {}).boxed_unsync();
    }
    envelopes(stream::iter([bytes]), shape)
}

/// A body of envelopes that come one by one.
pub fn envelopes(source: impl Stream<Item = Vec<u8>> + Send + 'static, shape: Shape) -> Body {
    let mut pieces: Pieces = Box::pin(source);
    if shape.join {
        pieces = joined(pieces);
    }
    if let Some(at) = shape.split_at {
        pieces = split(pieces, at.max(1));
    }
    let frames = stream::unfold((pieces, shape.cut_after), |(mut pieces, left)| async move {
        if left == Some(0) {
            return Some((Err(cut_off().await), (pieces, left)));
        }
        let mut piece = pieces.next().await?;
        let left = left.map(|left| {
            piece.truncate(left);
            left - piece.len()
        });
        Some((Ok(Frame::data(Bytes::from(piece))), (pieces, left)))
    });
    StreamBody::new(frames).boxed_unsync()
}

/// The error that ends the connection, after what was written has gone out.
async fn cut_off() -> io::Error {
    tokio::task::yield_now().await;
    io::Error::new(io::ErrorKind::ConnectionReset, "a fault cuts the connection")
}

fn joined(source: Pieces) -> Pieces {
    Box::pin(stream::unfold(source, |mut source| async move {
        let mut piece = source.next().await?;
        if let Ok(Some(next)) = tokio::time::timeout(JOIN_WAIT, source.next()).await {
            piece.extend_from_slice(&next);
        }
        Some((piece, source))
    }))
}

fn split(source: Pieces, at: usize) -> Pieces {
    let state = (source, VecDeque::new());
    Box::pin(stream::unfold(state, move |(mut source, mut waiting)| async move {
        if waiting.is_empty() {
            let envelope = source.next().await?;
            waiting.extend(envelope.chunks(at).map(<[u8]>::to_vec));
        } else {
            // Lets the piece before go out on its own.
            tokio::task::yield_now().await;
        }
        let piece = waiting.pop_front().unwrap_or_default();
        Some((piece, (source, waiting)))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn pieces(source: Vec<&str>, shape: Shape) -> (Vec<String>, bool) {
        let source: Vec<Vec<u8>> = source.into_iter().map(Into::into).collect();
        let mut body = envelopes(stream::iter(source), shape);
        let mut seen = Vec::new();
        while let Some(frame) = body.frame().await {
            match frame {
                Ok(frame) => seen.push(
                    String::from_utf8(frame.into_data().unwrap_or_default().to_vec()).unwrap(),
                ),
                Err(_) => return (seen, true),
            }
        }
        (seen, false)
    }

    #[tokio::test]
    async fn envelopes_come_whole_split_joined_or_cut() {
        let shaped = |shape| pieces(vec!["<a/>", "<bb/>", "<c/>"], shape);
        let plain = shaped(Shape::default()).await;
        assert_eq!(plain, (vec!["<a/>".into(), "<bb/>".into(), "<c/>".into()], false));
        let split = shaped(Shape { split_at: Some(3), ..Shape::default() }).await;
        assert_eq!(split.0, ["<a/", ">", "<bb", "/>", "<c/", ">"]);
        let joined = shaped(Shape { join: true, ..Shape::default() }).await;
        assert_eq!(joined.0, ["<a/><bb/>", "<c/>"]);
        let both = Shape { join: true, split_at: Some(6), cut_after: None };
        assert_eq!(shaped(both).await.0, ["<a/><b", "b/>", "<c/>"]);
        let cut = shaped(Shape { cut_after: Some(6), ..Shape::default() }).await;
        assert_eq!(cut, (vec!["<a/>".into(), "<b".into()], true));
        let at_once = shaped(Shape { cut_after: Some(0), ..Shape::default() }).await;
        assert_eq!(at_once, (vec![], true));
    }
}
