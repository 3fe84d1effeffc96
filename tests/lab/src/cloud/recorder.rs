//! Every byte that came in, kept for a search afterwards.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

#[derive(Debug)]
struct Kept {
    pieces: Vec<Vec<u8>>,
    left: usize,
    complete: bool,
}

/// What keeps the bytes; a clone is the same.
#[derive(Clone, Debug)]
pub(super) struct Recorder(Arc<Mutex<Kept>>);

/// One run of bytes that belong together.
#[derive(Debug)]
pub(super) struct Piece {
    recorder: Recorder,
    place: usize,
}

impl Recorder {
    /// Keeps up to `most` bytes.
    pub(super) fn new(most: usize) -> Self {
        let kept = Kept { pieces: Vec::new(), left: most, complete: true };
        Self(Arc::new(Mutex::new(kept)))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new, empty piece.
    pub(super) fn piece(&self) -> Piece {
        let mut kept = self.kept();
        kept.pieces.push(Vec::new());
        Piece { recorder: self.clone(), place: kept.pieces.len() - 1 }
    }

    pub(super) fn received(&self) -> Received {
        let kept = self.kept();
        Received { pieces: kept.pieces.clone(), complete: kept.complete }
    }
}

impl Piece {
    /// Adds `bytes` as long as there is room.
    pub(super) fn add(&self, bytes: &[u8]) {
        let mut kept = self.recorder.kept();
        let taken = bytes.len().min(kept.left);
        kept.left -= taken;
        kept.complete &= taken == bytes.len();
        let place = self.place;
        if let Some(piece) = kept.pieces.get_mut(place) {
            piece.extend_from_slice(bytes.get(..taken).unwrap_or_default());
        }
    }
}

/// Every byte that came in over TLS, decrypted: one piece for each connection as it was on the
/// wire, one for each body without its chunks, one for each WebSocket message without its mask.
#[derive(Clone, Debug)]
pub struct Received {
    /// The pieces.
    pub pieces: Vec<Vec<u8>>,
    /// False when there was no room for all of it; a search proves nothing then.
    pub complete: bool,
}

impl Received {
    /// Whether `needle` stands in one of the pieces.
    pub fn contains(&self, needle: &[u8]) -> bool {
        let found = |piece: &Vec<u8>| piece.windows(needle.len()).any(|window| window == needle);
        !needle.is_empty() && self.pieces.iter().any(found)
    }

    /// How many bytes there are in all.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Vec::len).sum()
    }

    /// Whether nothing came in.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_longer_fits_is_left_out_and_said() {
        let recorder = Recorder::new(10);
        recorder.piece().add(b"Budget");
        let received = recorder.received();
        assert!(received.complete && received.contains(b"Budget") && !received.contains(b"Board"));
        recorder.piece().add(b"Board");
        let received = recorder.received();
        assert!(!received.complete && received.contains(b"Boar") && !received.contains(b"Board"));
        assert_eq!(received.len(), 10);
    }
}
