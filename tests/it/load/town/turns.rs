//! The places at one server, given out as the provider does it (`src/calendar/ews/turns.rs`):
//! whoever comes in hundreds has half of them, and nobody's own budget pays for more than two.

use std::collections::{BTreeMap, VecDeque};

use calway::model::UserId;

/// Requests that are open at once (`max_connections`); streams come on top.
pub const PLACES: usize = 10;
/// Those of them that are for what comes in hundreds.
pub const ASIDE: usize = 5;
/// Requests and streams in one mailbox's name.
pub const IN_ONE_NAME: usize = 2;

/// What a request needs before it goes.
#[derive(Clone, Debug)]
pub struct Needs {
    /// Whose budget pays.
    pub whose: Option<UserId>,
    /// It comes in hundreds.
    pub aside: bool,
    /// It stays open, and takes no place.
    pub stream: bool,
}

/// Some of one thing, first come first served.
#[derive(Debug)]
struct Line {
    left: usize,
    waits: VecDeque<u64>,
}

impl Line {
    fn of(left: usize) -> Self {
        Self { left, waits: VecDeque::new() }
    }

    fn enter(&mut self, id: u64) -> bool {
        if self.left == 0 {
            self.waits.push_back(id);
            return false;
        }
        self.left -= 1;
        true
    }

    /// Who has it next.
    fn leave(&mut self) -> Option<u64> {
        let next = self.waits.pop_front();
        self.left += usize::from(next.is_none());
        next
    }
}

/// What stands before a request, in this order.
const GATES: [Gate; 3] = [Gate::Aside, Gate::Name, Gate::Place];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Aside,
    Name,
    Place,
}

/// A server's.
#[derive(Debug)]
pub struct Turns {
    aside: Line,
    places: Line,
    names: BTreeMap<UserId, Line>,
    /// Each request with the gates that it is through.
    known: BTreeMap<u64, (Needs, usize)>,
    open: usize,
    /// The most that were open at once, streams apart.
    pub most_open: usize,
}

impl Default for Turns {
    fn default() -> Self {
        Self {
            aside: Line::of(ASIDE),
            places: Line::of(PLACES),
            names: BTreeMap::new(),
            known: BTreeMap::new(),
            open: 0,
            most_open: 0,
        }
    }
}

impl Turns {
    /// A request comes; true where it goes at once.
    pub fn enter(&mut self, id: u64, needs: Needs) -> bool {
        self.known.insert(id, (needs, 0));
        self.go_on(id)
    }

    /// It was answered, or given up. Who goes now.
    pub fn leave(&mut self, id: u64) -> Vec<u64> {
        let Some((needs, through)) = self.known.remove(&id) else { return Vec::new() };
        if through == GATES.len() {
            self.open -= usize::from(!needs.stream);
        }
        let mut next = Vec::new();
        for gate in &GATES[..through] {
            next.extend(self.line(*gate, &needs).and_then(Line::leave));
        }
        if let Some(gate) = GATES.get(through)
            && let Some(line) = self.line(*gate, &needs)
        {
            line.waits.retain(|other| *other != id);
        }
        if let Some(whose) = &needs.whose
            && self.names.get(whose).is_some_and(|line| line.left == IN_ONE_NAME)
        {
            self.names.remove(whose);
        }
        next.retain(|id| {
            if let Some((_, through)) = self.known.get_mut(id) {
                *through += 1;
            }
            self.go_on(*id)
        });
        next
    }

    /// As far as it comes; whether it goes.
    fn go_on(&mut self, id: u64) -> bool {
        let Some((needs, mut through)) = self.known.get(&id).cloned() else { return false };
        while let Some(gate) = GATES.get(through) {
            if self.line(*gate, &needs).is_some_and(|line| !line.enter(id)) {
                break;
            }
            through += 1;
        }
        let goes = through == GATES.len();
        self.open += usize::from(goes && !needs.stream);
        self.most_open = self.most_open.max(self.open);
        self.known.insert(id, (needs, through));
        goes
    }

    fn line(&mut self, gate: Gate, needs: &Needs) -> Option<&mut Line> {
        match gate {
            Gate::Aside => (needs.aside && !needs.stream).then_some(&mut self.aside),
            Gate::Place => (!needs.stream).then_some(&mut self.places),
            Gate::Name => {
                let whose = needs.whose.clone()?;
                Some(self.names.entry(whose).or_insert_with(|| Line::of(IN_ONE_NAME)))
            }
        }
    }
}
