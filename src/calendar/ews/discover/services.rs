//! The order in which the targets of SRV records are tried (RFC 2782): the lowest priority first,
//! and among equals each by a chance as large as its weight.

pub use crate::net::dns::Service;

/// Puts the records into the order in which they are tried; those without a target fall out.
/// `chance` gives a number from 0 up to and with the one that it is given.
pub fn in_order(mut found: Vec<Service>, mut chance: impl FnMut(u64) -> u64) -> Vec<Service> {
    found.retain(|service| !service.target.is_empty() && service.port != 0);
    // Those without weight stand first, so that a chance of 0 can still meet them.
    found.sort_by_key(|service| (service.priority, service.weight));
    let mut ordered = Vec::with_capacity(found.len());
    while let Some(first) = found.first() {
        let priority = first.priority;
        let equals = found.iter().take_while(|service| service.priority == priority);
        let sum: u64 = equals.map(|service| u64::from(service.weight)).sum();
        let drawn = chance(sum).min(sum);
        let mut running = 0;
        let at = found.iter().position(|service| {
            running += u64::from(service.weight);
            running >= drawn
        });
        ordered.push(found.remove(at.unwrap_or(0)));
    }
    ordered
}

/// A number from 0 up to and with `most` (SplitMix64).
pub(super) fn draw(seed: &mut u64, most: u64) -> u64 {
    *seed = seed.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *seed;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    (z ^ (z >> 31)) % most.saturating_add(1).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(priority: u16, weight: u16, target: &str) -> Service {
        Service { priority, weight, port: 443, target: target.into() }
    }

    fn names(found: Vec<Service>) -> Vec<String> {
        found.into_iter().map(|service| service.target).collect()
    }

    #[test]
    fn the_lowest_priority_comes_first_whatever_the_order_of_the_answer() {
        let found = vec![record(20, 0, "c"), record(0, 100, "a"), record(10, 7, "b")];
        for drawn in [0, u64::MAX] {
            assert_eq!(names(in_order(found.clone(), |_| drawn)), ["a", "b", "c"]);
        }
    }

    #[test]
    fn among_equals_the_weight_is_the_chance() {
        let found = vec![record(5, 30, "heavy"), record(5, 0, "none"), record(5, 10, "light")];
        let order = |drawn: &[u64]| {
            let mut drawn = drawn.iter().copied();
            names(in_order(found.clone(), |_| drawn.next().unwrap_or(0)))
        };
        assert_eq!(order(&[0, 0, 0]), ["none", "light", "heavy"]);
        assert_eq!(order(&[1, 0, 0]), ["light", "none", "heavy"]);
        assert_eq!(order(&[10, 0, 0]), ["light", "none", "heavy"]);
        assert_eq!(order(&[11, 11, 0]), ["heavy", "light", "none"]);
        let mut sums = Vec::new();
        in_order(found.clone(), |sum| {
            sums.push(sum);
            sum
        });
        assert_eq!(sums, [40, 10, 0], "the chance is drawn among those that are left");
    }

    #[test]
    fn a_record_that_denies_the_service_leads_nowhere() {
        let mut nowhere = record(0, 0, "x");
        nowhere.port = 0;
        assert_eq!(names(in_order(vec![record(0, 0, ""), nowhere], |_| 0)), [""; 0]);
    }
}
