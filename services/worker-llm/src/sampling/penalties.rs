//! What makes tokens that were there already less likely.

use std::collections::{HashMap, VecDeque};

use super::params::SamplingParams;

/// The penalties of one answer, and the tokens that they look at.
#[derive(Debug, Clone)]
pub(super) struct Penalties {
    repetition: f32,
    frequency: f32,
    presence: f32,
    /// How many tokens are looked at; 0 where no penalty is asked for.
    window: usize,
    /// The last tokens, prompt included.
    recent: VecDeque<u32>,
    /// How often each of them is among them.
    counts: HashMap<u32, u32>,
}

impl Penalties {
    pub(super) fn new(params: &SamplingParams, prompt: &[u32]) -> Self {
        let is_off = params.repetition_penalty == 1.0
            && params.frequency_penalty == 0.0
            && params.presence_penalty == 0.0;
        let mut penalties = Self {
            repetition: params.repetition_penalty,
            frequency: params.frequency_penalty,
            presence: params.presence_penalty,
            window: if is_off { 0 } else { params.penalty_window },
            recent: VecDeque::new(),
            counts: HashMap::new(),
        };
        for &token in &prompt[prompt.len().saturating_sub(penalties.window)..] {
            penalties.remember(token);
        }
        penalties
    }

    pub(super) fn remember(&mut self, token: u32) {
        if self.window == 0 {
            return;
        }
        if self.recent.len() == self.window
            && let Some(oldest) = self.recent.pop_front()
            && let Some(count) = self.counts.get_mut(&oldest)
        {
            *count -= 1;
            if *count == 0 {
                self.counts.remove(&oldest);
            }
        }
        self.recent.push_back(token);
        *self.counts.entry(token).or_default() += 1;
    }

    /// Each token by itself, so the order in which they come does not matter.
    pub(super) fn apply(&self, logits: &mut [f32]) {
        for (&token, &count) in &self.counts {
            let Some(logit) = logits.get_mut(token as usize) else {
                continue;
            };
            let repeated = if *logit > 0.0 {
                *logit / self.repetition
            } else {
                *logit * self.repetition
            };
            let less = count as f32 * self.frequency + self.presence;
            // A tiny divisor may leave the range of numbers; negative infinity would rule the token out.
            if *logit > f32::NEG_INFINITY {
                *logit = (repeated - less).clamp(f32::MIN, f32::MAX);
            }
        }
    }
}
