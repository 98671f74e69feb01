//! How likely tokens are by the model's logits alone.

use super::event::TokenDetails;
use crate::sampling::largest;

/// The log-probabilities of one place in a text.
pub(super) struct Scores<'a> {
    logits: &'a [f32],
    /// Logarithm of the sum of all exponentials.
    log_sum: f64,
}

impl<'a> Scores<'a> {
    /// Of finite logits. Sums are taken in double precision, relative to the largest.
    pub(super) fn new(logits: &'a [f32]) -> Self {
        let peak = f64::from(logits.iter().copied().fold(f32::NEG_INFINITY, f32::max));
        let sum: f64 = logits.iter().map(|&logit| (f64::from(logit) - peak).exp()).sum();
        Self {
            logits,
            log_sum: peak + sum.ln(),
        }
    }

    fn log_probability(&self, logit: f32) -> f32 {
        (f64::from(logit) - self.log_sum) as f32
    }

    /// What there is to say of a token in this place, with the `top` likeliest.
    pub(super) fn details(&self, token: u32, top: usize) -> TokenDetails {
        let likeliest = match top {
            0 => Vec::new(),
            _ => largest(self.logits.iter().copied().zip(0u32..), top),
        };
        TokenDetails {
            token,
            log_probability: self
                .logits
                .get(token as usize)
                .map(|&logit| self.log_probability(logit)),
            top: likeliest
                .into_iter()
                .map(|(logit, token)| (token, self.log_probability(logit)))
                .collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_logarithms_of_what_adds_up_to_one() {
        let logits: Vec<f32> = [0.5f32, 0.25, 0.125, 0.125].iter().map(|p| p.ln()).collect();
        let details = Scores::new(&logits).details(1, 3);
        assert!((details.log_probability.unwrap() - 0.25f32.ln()).abs() < 1e-6);
        let tokens: Vec<u32> = details.top.iter().map(|(token, _)| *token).collect();
        assert_eq!(tokens, [0, 1, 2], "of equal ones the lower id");
        let all = Scores::new(&logits).details(0, 20).top;
        let sum: f64 = all.iter().map(|(_, log)| f64::from(*log).exp()).sum();
        assert!((sum - 1.0).abs() < 1e-6);
        // Far apart, and so large that exponentials overflow.
        let details = Scores::new(&[3e38, -3e38]).details(1, 0);
        assert_eq!(details.log_probability, Some(f32::NEG_INFINITY));
        assert!(details.top.is_empty());
    }
}
