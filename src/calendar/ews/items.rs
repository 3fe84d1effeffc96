//! Items in batches, and those among them that fail alone.
//!
//! **Promise.** One bad item holds its mailbox up for some minutes at most. Exchange says
//! `ErrorInternalServerError` of itself when it is ill, and also, for ever, of an item that it
//! cannot render: an item that failed [`PATIENCE`] passes in a row, while something else of its
//! mailbox can be read, is given up as [`Found::Unreadable`].

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use super::{Ews, codes, get_folder, get_item, http};
use crate::model::{Fault, Found, ItemId, Target};

/// Passes that an item may fail. With the pauses between them that is about two minutes.
const PATIENCE: u32 = 8;

/// Items that are remembered as failing; beyond it all are forgotten, and counted anew.
const MOST: usize = 10_000;

/// How often in a row items have failed.
#[derive(Debug, Default)]
pub(super) struct Ill(Mutex<HashMap<ItemId, u32>>);

impl Ill {
    /// It failed once more; how often by now.
    fn count(&self, id: &ItemId) -> u32 {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST {
            known.clear();
        }
        let count = known.entry(id.clone()).or_insert(0);
        *count = count.saturating_add(1);
        *count
    }

    fn is_well(&self, id: &ItemId) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !known.is_empty() {
            known.remove(id);
        }
    }
}

/// The items, one answer for each id, in the order asked.
///
/// # Errors
/// What concerns more than single items.
pub(super) async fn read(ews: &Ews, target: &Target, ids: &[ItemId]) -> Result<Vec<Found>, Fault> {
    let mut found = Vec::with_capacity(ids.len());
    let mut batches: Vec<&[ItemId]> = ids.chunks(get_item::BATCH).rev().collect();
    while let Some(batch) = batches.pop() {
        match ask(ews, target, batch, true).await {
            Ok(answers) => settle(ews, target, batch, answers, &mut found).await?,
            Err(fault) if fault.cause.code == http::TOO_LONG => {
                if batch.len() < 2 {
                    let answers = ask(ews, target, batch, false).await?;
                    settle(ews, target, batch, answers, &mut found).await?;
                } else {
                    let (first, second) = batch.split_at(batch.len() / 2);
                    batches.extend([second, first]);
                }
            }
            Err(fault) => return Err(fault),
        }
    }
    Ok(found)
}

async fn ask(
    ews: &Ews,
    target: &Target,
    ids: &[ItemId],
    bodies: bool,
) -> Result<Vec<Result<Found, Fault>>, Fault> {
    ews.ask_home(
        target,
        |header| get_item::request(header, ids, bodies),
        |xml| get_item::read_each(xml, ids),
    )
    .await
}

/// Takes what was found, and decides about what failed.
async fn settle(
    ews: &Ews,
    target: &Target,
    ids: &[ItemId],
    answers: Vec<Result<Found, Fault>>,
    found: &mut Vec<Found>,
) -> Result<(), Fault> {
    let mut witness = answers.iter().any(Result::is_ok);
    let mut failed = None;
    for (id, answer) in ids.iter().zip(answers) {
        match answer {
            Ok(one) => {
                ews.ill.is_well(id);
                found.push(one);
            }
            Err(fault) if codes::is_perhaps_the_item(&fault) => {
                if ews.ill.count(id) < PATIENCE {
                    failed = Some(fault);
                    continue;
                }
                if !witness {
                    ews.ask_home(target, get_folder::request, get_folder::read).await?;
                    witness = true;
                }
                found.push(Found::Unreadable(id.clone(), fault));
            }
            Err(fault) => return Err(fault),
        }
    }
    failed.map_or(Ok(()), Err)
}
