//! From logits to one token. The order of what is done is told in the module's documentation.

use super::candidates::{candidates, draw, keep_likely, keep_nucleus, keep_typical, most_likely};
use super::params::{RULED_OUT, SamplingParams};
use super::penalties::Penalties;
use super::random::Random;

/// The state of choosing tokens for one answer.
#[derive(Debug, Clone)]
pub struct Sampler {
    params: SamplingParams,
    random: Random,
    penalties: Penalties,
}

impl Sampler {
    /// Starts an answer to `prompt`. The parameters are taken as validated.
    #[must_use]
    pub fn new(params: &SamplingParams, prompt: &[u32]) -> Self {
        Self {
            params: params.clone(),
            random: params.seed.map_or_else(Random::from_entropy, Random::from_seed),
            penalties: Penalties::new(params, prompt),
        }
    }

    /// Chooses the next token; none if all are ruled out. `logits` has one number for each token of the
    /// vocabulary, each finite, or negative infinity for a token that is ruled out; bias and penalties are
    /// applied in place.
    pub fn sample(&mut self, logits: &mut [f32]) -> Option<u32> {
        self.bias(logits);
        self.penalties.apply(logits);
        let token = self.choose(logits)?;
        self.penalties.remember(token);
        Some(token)
    }

    fn bias(&self, logits: &mut [f32]) {
        for &(token, bias) in &self.params.logit_bias {
            if let Some(logit) = logits.get_mut(token as usize) {
                *logit = if bias <= RULED_OUT {
                    f32::NEG_INFINITY
                } else {
                    *logit + bias
                };
            }
        }
    }

    fn choose(&mut self, logits: &[f32]) -> Option<u32> {
        let params = &self.params;
        let likeliest = most_likely(logits)?;
        if params.temperature == 0.0 || params.top_k == 1 {
            return Some(likeliest);
        }
        let peak = logits[likeliest as usize];
        let mut left = candidates(logits, peak, params.temperature, params.top_k);
        if params.typical_p < 1.0 {
            keep_typical(&mut left, f64::from(params.typical_p));
        }
        if params.top_p < 1.0 {
            keep_nucleus(&mut left, f64::from(params.top_p));
        }
        if params.min_p > 0.0 {
            keep_likely(&mut left, f64::from(params.min_p));
        }
        // Weights may have underflowed where the typical ones are far from the likeliest.
        draw(&left, self.random.next_f64()).or(Some(likeliest))
    }
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
        let drawn = (0..count).map(|_| sampler.sample(&mut logits.to_vec()));
        drawn.collect::<Option<_>>().unwrap()
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
            p.penalty_window = 2;
        });
        let mut sampler = Sampler::new(&penalty, &[2, 0, 0]);
        let mut logits = vec![4.0, 1.5, 1.0, -1.0];
        assert_eq!(sampler.sample(&mut logits), Some(0));
        assert_eq!(logits, [2.0, 1.5, 1.0, -1.0]);
        let mut sampler = Sampler::new(&penalty, &[0, 3]);
        let mut logits = vec![2.0, 1.5, 1.0, -1.0];
        assert_eq!(sampler.sample(&mut logits), Some(1));
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

    #[test]
    fn frequency_counts_and_presence_does_not() {
        let penalty = params(|p| {
            p.temperature = 0.0;
            p.frequency_penalty = 0.5;
            p.presence_penalty = 1.0;
            p.penalty_window = 4;
        });
        // The first 3 is out of the window.
        let mut sampler = Sampler::new(&penalty, &[3, 0, 0, 0, 1]);
        let mut logits = vec![4.0, 4.0, 1.0, 1.0];
        assert_eq!(sampler.sample(&mut logits), Some(1));
        assert_eq!(logits, [4.0 - 2.5, 4.0 - 1.5, 1.0, 1.0]);
        // Now 0, 0, 1, 1.
        let mut logits = vec![4.0, 4.0, 1.0, 1.0];
        assert_eq!(sampler.sample(&mut logits), Some(0));
        assert_eq!(logits, [4.0 - 2.0, 4.0 - 2.0, 1.0, 1.0]);
        // Negative ones invite.
        let inviting = SamplingParams {
            presence_penalty: -2.0,
            frequency_penalty: 0.0,
            ..penalty
        };
        let mut logits = vec![4.0, 4.0, 1.0, 3.0];
        assert_eq!(Sampler::new(&inviting, &[3]).sample(&mut logits), Some(3));
    }

    #[test]
    fn bias_moves_tokens_and_rules_them_out() {
        let biased = |logit_bias: &[(u32, f32)]| {
            let params = params(|p| p.logit_bias = logit_bias.to_vec());
            let mut tokens = Sampler::new(&params, &[]);
            let mut found: Vec<Option<u32>> = (0..300).map(|_| tokens.sample(&mut halves())).collect();
            found.sort_unstable();
            found.dedup();
            found
        };
        assert_eq!(biased(&[(3, 100.0)]), [Some(3)]);
        assert_eq!(biased(&[(0, RULED_OUT), (1, RULED_OUT)]), [Some(2), Some(3)]);
        // The least bias that is no ban, where there is nothing else.
        assert_eq!(
            biased(&[(0, -99.9), (1, RULED_OUT), (2, RULED_OUT), (3, RULED_OUT)]),
            [Some(0)]
        );
        let all: Vec<(u32, f32)> = (0..4).map(|token| (token, RULED_OUT)).collect();
        assert_eq!(biased(&all), [None]);
        // An id that the model does not have changes nothing.
        assert_eq!(biased(&[(9, 100.0)]).len(), 4);
    }

    #[test]
    fn typical_leaves_out_what_is_too_likely() {
        let mut weights = vec![0.6_f32];
        weights.extend([0.4 / 32.0; 32]);
        let logits: Vec<f32> = weights.iter().map(|weight| weight.ln()).collect();
        // -ln 0.6 = 0.51, -ln 0.0125 = 4.38, entropy 2.06: the likely one is nearer.
        let kept = |typical_p| {
            let mut tokens = draw_many(&params(|p| p.typical_p = typical_p), &logits, 400);
            tokens.sort_unstable();
            tokens.dedup();
            tokens.len()
        };
        assert_eq!(kept(0.5), 1);
        assert!(kept(0.99) > 20);
        // -ln 0.3 = 1.20, -ln 0.01 = 4.61, entropy 3.58: here the unlikely ones are.
        let mut weights = vec![0.3_f32];
        weights.extend([0.01; 70]);
        let logits: Vec<f32> = weights.iter().map(|weight| weight.ln()).collect();
        let drawn = draw_many(&params(|p| p.typical_p = 0.595), &logits, 400);
        assert!(drawn.iter().all(|&token| (1..=60).contains(&token)), "{drawn:?}");
    }

    /// The definitions, one after the other, by sorting everything: (token, probability before it is drawn).
    fn allowed(logits: &[f32], params: &SamplingParams, before: &[u32]) -> Vec<(u32, f64)> {
        // A hair of room, since sums are taken in different orders.
        const ROOM: f64 = 1.0 + 1e-9;
        let total = |all: &[(u32, f64)]| all.iter().map(|c| c.1).sum::<f64>();
        fn shortest(all: &mut Vec<(u32, f64)>, share: f32, total: f64) {
            let mut before = 0.0;
            all.retain(|c| {
                let keep = share >= 1.0 || before < f64::from(share) * total * ROOM;
                before += c.1;
                keep
            });
        }
        let window = &before[before.len().saturating_sub(params.penalty_window)..];
        let mut logits = logits.to_vec();
        for (token, logit) in logits.iter_mut().enumerate() {
            for &(_, bias) in params.logit_bias.iter().filter(|(id, _)| *id as usize == token) {
                *logit = if bias <= -100.0 {
                    f32::NEG_INFINITY
                } else {
                    *logit + bias
                };
            }
            let count = window.iter().filter(|&&seen| seen as usize == token).count();
            if count > 0 {
                let rate = params.repetition_penalty;
                *logit = if *logit > 0.0 {
                    *logit / rate
                } else {
                    *logit * rate
                };
                *logit -= count as f32 * params.frequency_penalty + params.presence_penalty;
            }
        }
        let peak = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let mut all: Vec<(u32, f64)> = logits
            .iter()
            .zip(0u32..)
            .filter(|(logit, _)| **logit > f32::NEG_INFINITY)
            .map(|(&l, token)| (token, (f64::from(l - peak) / f64::from(params.temperature)).exp()))
            .collect();
        all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        if params.top_k > 0 {
            all.truncate(params.top_k);
        }
        if params.typical_p < 1.0 {
            let total = total(&all);
            let information = |weight: f64| -(weight / total).ln();
            let entropy: f64 = all
                .iter()
                .filter(|c| c.1 > 0.0)
                .map(|c| c.1 / total * information(c.1))
                .sum();
            let distance = |c: &(u32, f64)| (information(c.1) - entropy).abs();
            all.sort_by(|a, b| distance(a).total_cmp(&distance(b)));
            shortest(&mut all, params.typical_p, total);
            all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        }
        let rest = total(&all);
        shortest(&mut all, params.top_p, rest);
        let likeliest = all.first().map_or(0.0, |c| c.1);
        all.retain(|c| c.1 >= f64::from(params.min_p) * likeliest);
        all
    }

    proptest! {
        #[test]
        fn only_allowed_tokens_are_drawn(
            logits in prop::collection::vec(-20.0f32..20.0, 1..600),
            temperature in 0.05f32..3.0,
            top_k in 0usize..100,
            shares in (0.01f32..=1.0, 0.01f32..=1.0),
            min_p in 0.0f32..=1.0,
            bias in prop::collection::vec((0u32..600, prop_oneof![Just(-100.0f32), -5.0f32..5.0]), 0..20),
            penalties in (0.1f32..2.0, -2.0f32..2.0, -2.0f32..2.0, 0usize..50),
            before in prop::collection::vec(0u32..600, 0..60),
            seed: u64,
        ) {
            let params = params(|p| {
                p.temperature = temperature;
                p.top_k = top_k;
                (p.typical_p, p.top_p) = shares;
                p.min_p = min_p;
                p.logit_bias = bias;
                (p.repetition_penalty, p.frequency_penalty, p.presence_penalty, p.penalty_window) = penalties;
                p.seed = Some(seed);
            });
            let mut sampler = Sampler::new(&params, &before);
            let mut before = before;
            for _ in 0..8 {
                let allowed = allowed(&logits, &params, &before);
                let Some(token) = sampler.sample(&mut logits.clone()) else {
                    prop_assert!(allowed.is_empty());
                    break;
                };
                prop_assert!(allowed.iter().any(|c| c.0 == token), "{token} not in {allowed:?}");
                before.push(token);
            }
        }

        /// Many draws come as often as the definition says.
        #[test]
        fn draws_follow_the_definition(
            logits in prop::collection::vec(-3.0f32..3.0, 2..12),
            typical_p in 0.2f32..=1.0,
            top_k in 0usize..8,
        ) {
            let params = params(|p| {
                p.typical_p = typical_p;
                p.top_k = top_k;
            });
            let allowed = allowed(&logits, &params, &[]);
            let total: f64 = allowed.iter().map(|c| c.1).sum();
            let drawn = draw_many(&params, &logits, 2000);
            for (token, weight) in allowed {
                let share = drawn.iter().filter(|&&drawn| drawn == token).count() as f64 / 2000.0;
                prop_assert!((share - weight / total).abs() < 0.06, "{token}: {share} {}", weight / total);
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
            shares in (0.01f32..=1.0, 0.01f32..=1.0),
            penalty in prop_oneof![Just(1.0), Just(f32::MIN_POSITIVE), Just(2.0f32)],
        ) {
            let params = params(|p| {
                (p.typical_p, p.top_p) = shares;
                p.repetition_penalty = penalty;
            });
            for token in draw_many(&params, &logits, 4) {
                prop_assert!((token as usize) < logits.len());
            }
        }
    }
}
