//! From logits to one token.
//!
//! The order is: repetition penalty, temperature, top-k, top-p, min-p, then a draw from what is
//! left in proportion to its probability.

use std::collections::VecDeque;

use super::params::SamplingParams;
use super::random::Random;

/// The state of choosing tokens for one answer.
#[derive(Debug, Clone)]
pub struct Sampler {
    params: SamplingParams,
    random: Random,
    /// The last `repetition_window` tokens, prompt included; empty where no penalty is asked for.
    recent: VecDeque<u32>,
}

/// A token that may be drawn.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Candidate {
    token: u32,
    /// Its probability times a factor that all candidates share.
    weight: f64,
}

impl Sampler {
    /// Starts an answer to `prompt`. The parameters are taken as validated.
    #[must_use]
    pub fn new(params: &SamplingParams, prompt: &[u32]) -> Self {
        let mut sampler = Self {
            params: params.clone(),
            random: params.seed.map_or_else(Random::from_entropy, Random::from_seed),
            recent: VecDeque::new(),
        };
        let window = params.repetition_window.min(prompt.len());
        for &token in &prompt[prompt.len() - window..] {
            sampler.remember(token);
        }
        sampler
    }

    /// Chooses the next token. `logits` has one finite number per token of the vocabulary, at
    /// least one; the repetition penalty is applied in place.
    ///
    /// # Panics
    /// If `logits` is empty.
    pub fn sample(&mut self, logits: &mut [f32]) -> u32 {
        assert!(!logits.is_empty(), "a vocabulary has tokens");
        self.penalise(logits);
        let token = if self.params.temperature == 0.0 || self.params.top_k == 1 {
            most_likely(logits)
        } else {
            let candidates = self.candidates(logits);
            draw(&candidates, self.random.next_f64())
        };
        self.remember(token);
        token
    }

    fn remember(&mut self, token: u32) {
        if self.params.repetition_penalty == 1.0 || self.params.repetition_window == 0 {
            return;
        }
        if self.recent.len() == self.params.repetition_window {
            self.recent.pop_front();
        }
        self.recent.push_back(token);
    }

    fn penalise(&self, logits: &mut [f32]) {
        let penalty = self.params.repetition_penalty;
        for (seen, &token) in self.recent.iter().enumerate() {
            // Once for each token, however often it was there.
            if self.recent.iter().take(seen).any(|&earlier| earlier == token) {
                continue;
            }
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = if *logit > 0.0 {
                    *logit / penalty
                } else {
                    *logit * penalty
                };
            }
        }
    }

    /// What may be drawn. Likeliest first, except where every token may be.
    fn candidates(&self, logits: &[f32]) -> Vec<Candidate> {
        let params = &self.params;
        let peak = logits[most_likely(logits) as usize];
        let scale = 1.0 / f64::from(params.temperature);
        // Relative to the likeliest token, whose weight so is 1: nothing overflows.
        let mut all: Vec<Candidate> = logits
            .iter()
            .zip(0u32..)
            .map(|(&logit, token)| Candidate {
                token,
                weight: (f64::from(logit - peak) * scale).exp(),
            })
            .collect();
        if params.top_k > 0 && params.top_k < all.len() {
            keep_likeliest(&mut all, params.top_k);
        }
        if params.top_p < 1.0 {
            keep_nucleus(&mut all, f64::from(params.top_p));
        }
        if params.min_p > 0.0 {
            // The likeliest has weight 1 and always stays.
            all.retain(|candidate| candidate.weight >= f64::from(params.min_p));
        }
        all
    }
}

/// The likeliest token; the lowest id where several are.
fn most_likely(logits: &[f32]) -> u32 {
    let mut best = 0;
    for (token, &logit) in logits.iter().enumerate() {
        if logit > logits[best] {
            best = token;
        }
    }
    best as u32
}

/// Likelier first; among equals the lower id, so that the order is the same everywhere.
fn likelier(a: &Candidate, b: &Candidate) -> std::cmp::Ordering {
    b.weight.total_cmp(&a.weight).then(a.token.cmp(&b.token))
}

/// Leaves the `count` likeliest, sorted.
fn keep_likeliest(candidates: &mut Vec<Candidate>, count: usize) {
    if count < candidates.len() {
        candidates.select_nth_unstable_by(count, likelier);
        candidates.truncate(count);
    }
    candidates.sort_unstable_by(likelier);
}

/// Leaves the fewest likeliest candidates whose share of the whole is at least `top_p`, sorted.
fn keep_nucleus(candidates: &mut Vec<Candidate>, top_p: f64) {
    let wanted = top_p * candidates.iter().map(|candidate| candidate.weight).sum::<f64>();
    // The nucleus is nearly always small, and sorting a whole vocabulary is not cheap.
    let mut sorted = 64.min(candidates.len());
    loop {
        let rest = candidates.len();
        if sorted < rest {
            candidates.select_nth_unstable_by(sorted, likelier);
        }
        candidates[..sorted].sort_unstable_by(likelier);
        let mut sum = 0.0;
        let last = candidates[..sorted].iter().position(|candidate| {
            sum += candidate.weight;
            sum >= wanted
        });
        if let Some(last) = last {
            candidates.truncate(last + 1);
            return;
        }
        if sorted == rest {
            // Rounding kept the sum below what was wanted: everything belongs to it.
            return;
        }
        sorted = (sorted * 8).min(rest);
    }
}

/// The candidate at `point` (0 to 1) of the total weight.
fn draw(candidates: &[Candidate], point: f64) -> u32 {
    let total: f64 = candidates.iter().map(|candidate| candidate.weight).sum();
    let mut left = point * total;
    let mut chosen = candidates[0].token;
    for candidate in candidates {
        // A weight that underflowed to zero is no candidate.
        if candidate.weight > 0.0 {
            chosen = candidate.token;
            left -= candidate.weight;
            if left < 0.0 {
                break;
            }
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn params(change: impl FnOnce(&mut SamplingParams)) -> SamplingParams {
        let mut params = SamplingParams {
            seed: Some(1),
            ..SamplingParams::default()
        };
        change(&mut params);
        params
    }

    fn draw_many(params: &SamplingParams, logits: &[f32], count: usize) -> Vec<u32> {
        let mut sampler = Sampler::new(params, &[]);
        (0..count).map(|_| sampler.sample(&mut logits.to_vec())).collect()
    }

    /// Probabilities 1/2, 1/4, 1/8, 1/8.
    fn halves() -> Vec<f32> {
        [0.5f32, 0.25, 0.125, 0.125].iter().map(|p| p.ln()).collect()
    }

    #[test]
    fn draws_in_proportion_to_the_probabilities() {
        let drawn = draw_many(&params(|_| {}), &halves(), 8000);
        let count = |token| drawn.iter().filter(|&&drawn| drawn == token).count();
        assert!((3800..4200).contains(&count(0)), "{}", count(0));
        assert!((1850..2150).contains(&count(1)), "{}", count(1));
        assert!((850..1150).contains(&count(3)), "{}", count(3));
    }

    #[test]
    fn temperature_sharpens_and_flattens() {
        let share = |temperature| {
            let drawn = draw_many(&params(|p| p.temperature = temperature), &halves(), 4000);
            drawn.iter().filter(|&&token| token == 0).count()
        };
        // Weights to the power of 1/T: at T = 0.5 they are 16:4:1:1, so 16 of 22.
        assert!((2780..3040).contains(&share(0.5)), "{}", share(0.5));
        assert!((950..1110).contains(&share(100.0)), "{}", share(100.0));
    }

    #[test]
    fn top_p_keeps_the_token_that_crosses_the_limit() {
        let kept = |top_p| {
            let mut tokens = draw_many(&params(|p| p.top_p = top_p), &halves(), 400);
            tokens.sort_unstable();
            tokens.dedup();
            tokens
        };
        assert_eq!(kept(0.4), [0]);
        assert_eq!(kept(0.6), [0, 1]);
        assert_eq!(kept(0.8), [0, 1, 2]);
        assert_eq!(kept(0.99), [0, 1, 2, 3]);
    }

    #[test]
    fn min_p_is_relative_to_the_likeliest() {
        let mut tokens = draw_many(&params(|p| p.min_p = 0.4), &halves(), 400);
        tokens.sort_unstable();
        tokens.dedup();
        assert_eq!(tokens, [0, 1]);
    }

    #[test]
    fn the_penalty_counts_each_recent_token_once_and_forgets_old_ones() {
        let penalty = params(|p| {
            p.temperature = 0.0;
            p.repetition_penalty = 2.0;
            p.repetition_window = 2;
        });
        let mut sampler = Sampler::new(&penalty, &[2, 0, 0]);
        let mut logits = vec![4.0, 1.5, 1.0, -1.0];
        assert_eq!(sampler.sample(&mut logits), 0);
        assert_eq!(logits, [2.0, 1.5, 1.0, -1.0]);
        let mut sampler = Sampler::new(&penalty, &[0, 3]);
        let mut logits = vec![2.0, 1.5, 1.0, -1.0];
        assert_eq!(sampler.sample(&mut logits), 1);
        assert_eq!(logits, [1.0, 1.5, 1.0, -2.0]);
    }

    #[test]
    fn the_same_seed_gives_the_same_answer() {
        let seeded = params(|p| p.seed = Some(42));
        assert_eq!(
            draw_many(&seeded, &halves(), 100),
            draw_many(&seeded, &halves(), 100)
        );
        let other = params(|p| p.seed = Some(43));
        assert_ne!(
            draw_many(&seeded, &halves(), 100),
            draw_many(&other, &halves(), 100)
        );
    }

    /// The definition, by sorting everything.
    fn allowed(logits: &[f32], params: &SamplingParams) -> Vec<u32> {
        let peak = logits.iter().copied().fold(f32::MIN, f32::max);
        let mut all: Vec<(f64, u32)> = logits
            .iter()
            .zip(0u32..)
            .map(|(&l, token)| ((f64::from(l - peak) / f64::from(params.temperature)).exp(), token))
            .collect();
        all.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        if params.top_k > 0 {
            all.truncate(params.top_k);
        }
        let total: f64 = all.iter().map(|c| c.0).sum();
        let mut before = 0.0;
        all.retain(|c| {
            // A hair of room, since the sums are taken in different orders.
            let keep = params.top_p >= 1.0 || before < f64::from(params.top_p) * total * (1.0 + 1e-9);
            before += c.0;
            keep
        });
        all.into_iter()
            .filter(|c| c.0 >= f64::from(params.min_p))
            .map(|c| c.1)
            .collect()
    }

    proptest! {
        #[test]
        fn only_allowed_tokens_are_drawn(
            logits in prop::collection::vec(-20.0f32..20.0, 1..600),
            temperature in 0.05f32..3.0,
            top_k in 0usize..100,
            top_p in 0.01f32..=1.0,
            min_p in 0.0f32..=1.0,
            seed: u64,
        ) {
            let params = params(|p| {
                p.temperature = temperature;
                p.top_k = top_k;
                p.top_p = top_p;
                p.min_p = min_p;
                p.seed = Some(seed);
            });
            let allowed = allowed(&logits, &params);
            for token in draw_many(&params, &logits, 8) {
                prop_assert!(allowed.contains(&token), "{token} not in {allowed:?}");
            }
        }

        #[test]
        fn greedy_takes_the_first_of_the_largest(logits in prop::collection::vec(-3i8..3, 1..40)) {
            let logits: Vec<f32> = logits.into_iter().map(f32::from).collect();
            let token = draw_many(&SamplingParams::greedy(), &logits, 1)[0] as usize;
            prop_assert!(logits.iter().all(|&logit| logit <= logits[token]));
            prop_assert!(logits[..token].iter().all(|&logit| logit < logits[token]));
        }

        #[test]
        fn any_finite_logits_give_a_token(
            logits in prop::collection::vec(prop::num::f32::NORMAL, 1..40),
            top_p in 0.01f32..=1.0,
        ) {
            let params = params(|p| p.top_p = top_p);
            for token in draw_many(&params, &logits, 4) {
                prop_assert!((token as usize) < logits.len());
            }
        }
    }
}
