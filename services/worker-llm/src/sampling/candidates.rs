//! Tokens that may be drawn, and what narrows them down.

use std::cmp::Ordering;

/// How many are sorted at first where a share of all is looked for: it is nearly always small, and sorting a
/// whole vocabulary is not cheap.
const SORTED_AT_FIRST: usize = 64;

/// A token that may be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) token: u32,
    /// Its probability times a factor that all candidates share.
    pub(super) weight: f64,
}

/// The token with the largest logit, of equal ones the first; none if all are ruled out.
pub(super) fn most_likely(logits: &[f32]) -> Option<u32> {
    let mut best = None;
    let mut largest = f32::NEG_INFINITY;
    for (&logit, token) in logits.iter().zip(0u32..) {
        if logit > largest {
            (best, largest) = (Some(token), logit);
        }
    }
    best
}

/// The tokens with the `count` largest logits (0 for all) that are not ruled out, with their weights at a
/// temperature. Likeliest first, unless all were asked for.
pub(super) fn candidates(logits: &[f32], peak: f32, temperature: f32, count: usize) -> Vec<Candidate> {
    let possible = logits.iter().copied().zip(0u32..);
    let possible = possible.filter(|&(logit, _)| logit > f32::NEG_INFINITY);
    let chosen: Vec<(f32, u32)> = if count == 0 {
        possible.collect()
    } else {
        largest(possible, count)
    };
    let scale = 1.0 / f64::from(temperature);
    // Relative to the likeliest token, whose weight so is 1: nothing overflows.
    let weigh = |(logit, token): (f32, u32)| Candidate {
        token,
        weight: (f64::from(logit - peak) * scale).exp(),
    };
    chosen.into_iter().map(weigh).collect()
}

/// The `count` largest (at least one), sorted; of equal ones those that come first. Ids must rise.
pub(crate) fn largest(items: impl Iterator<Item = (f32, u32)>, count: usize) -> Vec<(f32, u32)> {
    let order = |a: &(f32, u32), b: &(f32, u32)| {
        let by_logit = b.0.partial_cmp(&a.0).unwrap_or(Ordering::Equal);
        by_logit.then(a.1.cmp(&b.1))
    };
    let full = count.saturating_mul(4).max(SORTED_AT_FIRST);
    let mut found: Vec<(f32, u32)> = Vec::new();
    let mut least = f32::NEG_INFINITY;
    for item in items {
        if item.0 <= least {
            continue;
        }
        found.push(item);
        if found.len() == full {
            found.select_nth_unstable_by(count - 1, order);
            found.truncate(count);
            // Ids rise, so another of the same size comes after those that are there.
            least = found[count - 1].0;
        }
    }
    found.sort_unstable_by(order);
    found.truncate(count);
    found
}

/// Likelier first; among equals the lower id, so that the order is the same everywhere.
fn likelier(a: &Candidate, b: &Candidate) -> Ordering {
    b.weight.total_cmp(&a.weight).then(a.token.cmp(&b.token))
}

/// Leaves the fewest likeliest candidates whose share of the whole is at least `top_p`, sorted.
pub(super) fn keep_nucleus(candidates: &mut Vec<Candidate>, top_p: f64) {
    keep_share(candidates, top_p, |candidate| candidate.weight, likelier);
}

/// Leaves the fewest candidates whose share of the whole is at least `typical_p`, those first whose information
/// is nearest to the entropy.
pub(super) fn keep_typical(candidates: &mut Vec<Candidate>, typical_p: f64) {
    let total: f64 = candidates.iter().map(|candidate| candidate.weight).sum();
    let information = |weight: f64| total.ln() - weight.ln();
    let entropy: f64 = candidates
        .iter()
        .filter(|candidate| candidate.weight > 0.0)
        .map(|candidate| candidate.weight / total * information(candidate.weight))
        .sum();
    let mut by_distance: Vec<(f64, Candidate)> = candidates
        .iter()
        .map(|&candidate| ((information(candidate.weight) - entropy).abs(), candidate))
        .collect();
    keep_share(
        &mut by_distance,
        typical_p,
        |(_, candidate)| candidate.weight,
        |a, b| a.0.total_cmp(&b.0).then_with(|| likelier(&a.1, &b.1)),
    );
    candidates.clear();
    candidates.extend(by_distance.into_iter().map(|(_, candidate)| candidate));
}

/// Leaves what is at least `min_p` times as likely as the likeliest, which always stays.
pub(super) fn keep_likely(candidates: &mut Vec<Candidate>, min_p: f64) {
    let likeliest = candidates
        .iter()
        .fold(0.0, |most: f64, candidate| most.max(candidate.weight));
    candidates.retain(|candidate| candidate.weight >= min_p * likeliest);
}

/// Leaves the fewest items, first ones first, whose weights are at least this share of all, sorted.
fn keep_share<T>(
    items: &mut Vec<T>,
    share: f64,
    weight: impl Fn(&T) -> f64,
    order: impl Fn(&T, &T) -> Ordering,
) {
    let wanted = share * items.iter().map(&weight).sum::<f64>();
    let mut sorted = SORTED_AT_FIRST.min(items.len());
    loop {
        let rest = items.len();
        if sorted < rest {
            items.select_nth_unstable_by(sorted, &order);
        }
        items[..sorted].sort_unstable_by(&order);
        let mut sum = 0.0;
        let last = items[..sorted].iter().position(|item| {
            sum += weight(item);
            sum >= wanted
        });
        if let Some(last) = last {
            items.truncate(last + 1);
            return;
        }
        if sorted == rest {
            // Rounding kept the sum below what was wanted: everything belongs to it.
            return;
        }
        sorted = (sorted * 8).min(rest);
    }
}

/// The candidate at `point` (0 to 1) of the total weight; none if there is no weight.
pub(super) fn draw(candidates: &[Candidate], point: f64) -> Option<u32> {
    let total: f64 = candidates.iter().map(|candidate| candidate.weight).sum();
    let mut left = point * total;
    let mut chosen = None;
    for candidate in candidates {
        // A weight that underflowed to zero is no candidate.
        if candidate.weight > 0.0 {
            chosen = Some(candidate.token);
            left -= candidate.weight;
            if left < 0.0 {
                break;
            }
        }
    }
    chosen
}
