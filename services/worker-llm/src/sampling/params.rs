//! What a request may say about sampling.

/// How the next token is chosen. The default is the model's plain distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingParams {
    /// Divides the logits: 0 takes the most likely token always, 1 leaves the distribution as it
    /// is. 0 to 100.
    pub temperature: f32,
    /// Keep the `top_k` most likely tokens; 0 keeps all.
    pub top_k: usize,
    /// Keep the fewest tokens whose probabilities sum to at least this; 1 keeps all. Above 0, to 1.
    pub top_p: f32,
    /// Keep tokens at least this fraction as likely as the likeliest; 0 keeps all. 0 to 1.
    pub min_p: f32,
    /// Makes tokens that were there already less likely: their logit is divided by it where it is
    /// positive and multiplied where it is negative (Keskar et al. 2019, CTRL). 1 does nothing.
    /// Above 0, to 100.
    pub repetition_penalty: f32,
    /// How many of the last tokens, prompt included, the penalty looks at.
    pub repetition_window: usize,
    /// Start of the random numbers. The same seed, settings and build give the same answer.
    /// `None` takes a new one each time.
    pub seed: Option<u64>,
}

impl Default for SamplingParams {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            repetition_window: 64,
            seed: None,
        }
    }
}

/// A sampling setting is out of its range.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{field} is {value}, it must be {range}")]
pub struct SamplingError {
    /// The setting, by the name of its field in [`SamplingParams`].
    pub field: &'static str,
    /// What it was set to.
    pub value: f32,
    /// What it may be, in words.
    pub range: &'static str,
}

impl SamplingParams {
    /// Greedy: the most likely token always.
    #[must_use]
    pub fn greedy() -> Self {
        Self {
            temperature: 0.0,
            ..Self::default()
        }
    }

    /// Checks every setting's range.
    ///
    /// # Errors
    /// The first setting that is out of range.
    pub fn validate(&self) -> Result<(), SamplingError> {
        // Written so that a NaN fails every check.
        let checks = [
            (
                "temperature",
                self.temperature,
                (0.0..=100.0).contains(&self.temperature),
                "from 0 to 100",
            ),
            (
                "top_p",
                self.top_p,
                self.top_p > 0.0 && self.top_p <= 1.0,
                "above 0 and at most 1",
            ),
            (
                "min_p",
                self.min_p,
                (0.0..=1.0).contains(&self.min_p),
                "from 0 to 1",
            ),
            (
                "repetition_penalty",
                self.repetition_penalty,
                self.repetition_penalty > 0.0 && self.repetition_penalty <= 100.0,
                "above 0 and at most 100",
            ),
        ];
        match checks.into_iter().find(|&(_, _, ok, _)| !ok) {
            Some((field, value, _, range)) => Err(SamplingError { field, value, range }),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_and_greedy_are_in_range() {
        SamplingParams::default().validate().unwrap();
        SamplingParams::greedy().validate().unwrap();
    }

    #[test]
    fn each_setting_out_of_range_is_named() {
        let with = |change: fn(&mut SamplingParams)| {
            let mut params = SamplingParams::default();
            change(&mut params);
            params.validate().unwrap_err().field
        };
        assert_eq!(with(|p| p.temperature = -0.1), "temperature");
        assert_eq!(with(|p| p.temperature = f32::NAN), "temperature");
        assert_eq!(with(|p| p.top_p = 0.0), "top_p");
        assert_eq!(with(|p| p.top_p = f32::NAN), "top_p");
        assert_eq!(with(|p| p.min_p = 1.5), "min_p");
        assert_eq!(with(|p| p.repetition_penalty = 0.0), "repetition_penalty");
        assert_eq!(
            with(|p| p.repetition_penalty = f32::INFINITY),
            "repetition_penalty"
        );
    }
}
