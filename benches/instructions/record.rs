//! The whole way of ten items: the connector's own.

use std::sync::Arc;

use calway::calendar::ews::get_item;
use calway::model::{Change, Cursor, Page};
use calway::pipeline::sync::{Ask, Event, Got, Loaded, Pass, Step};

use crate::sample::Sample;

/// Reads the answer and goes on to the events that would be committed.
///
/// # Panics
/// Where the way has changed and this has not.
pub fn seal_all(sample: &Sample) -> Vec<Event> {
    let cursor = sample.installation.stash_cursor(&Cursor("cursor".into())).expect("a cipher");
    let loaded = Loaded {
        generation: 1,
        cursor: Some(cursor),
        window: Some(sample.window),
        resend: false,
        sequence: 0,
        keys: None,
    };
    let installation = Arc::clone(&sample.installation);
    let showing = Arc::default();
    let begun = Pass::start(sample.user.clone(), sample.window, loaded, installation, showing);
    let (mut pass, mut step) = begun.expect("a pass");
    loop {
        let got = match step {
            Step::Ask(Ask::Changes(_)) => Got::Page(Page {
                changes: sample.ids.iter().cloned().map(Change::Upsert).collect(),
                cursor: Cursor("next".into()),
                last: true,
            }),
            Step::Ask(Ask::Items(ids)) => {
                Got::Items(get_item::read(&sample.answer, &ids).expect("an answer"))
            }
            Step::Look(_) => Got::Rows(Vec::new()),
            Step::Key => Got::Key(Arc::clone(&sample.sealer)),
            Step::Commit(commit) => return commit.events,
            other => panic!("{other:?} is not on the way"),
        };
        step = pass.got(got).expect("the next step");
    }
}
