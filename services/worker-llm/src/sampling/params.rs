//! What a request may say about sampling.

/// How the next token is chosen. The default is the model's plain distribution.
#[derive(Debug, Clone, PartialEq)]
pub struct SamplingParams {
    /// Divides the logits: 0 takes the most likely token always, 1 leaves the distribution as it
    /// is. 0 to 100.
    pub temperature: f32,
    /// Keep the `top_k` most likely tokens; 0 keeps all.
    pub top_k: usize,
    /// Keep the tokens whose information is nearest to the distribution's entropy, the fewest whose
    /// probabilities sum to at least this; 1 keeps all. Above 0, to 1.
    pub typical_p: f32,
    /// Keep the fewest tokens whose probabilities sum to at least this; 1 keeps all. Above 0, to 1.
    pub top_p: f32,
    /// Keep tokens at least this fraction as likely as the likeliest; 0 keeps all. 0 to 1.
    pub min_p: f32,
    /// Makes tokens that were there already less likely: their logit is divided by it where it is
    /// positive and multiplied where it is negative (Keskar et al. 2019, CTRL). 1 does nothing.
    /// Above 0, to 100.
    pub repetition_penalty: f32,
    /// Subtracted from a token's logit for each time that it was there. -100 to 100.
    pub frequency_penalty: f32,
    /// Subtracted from the logit of a token that was there, however often. -100 to 100.
    pub presence_penalty: f32,
    /// How many of the last tokens, prompt included, the penalties look at. At most [`MAX_PENALTY_WINDOW`].
    pub penalty_window: usize,
    /// Added to the logits of these tokens; [`RULED_OUT`] or less rules a token out. -100 to 100.
    pub logit_bias: Vec<(u32, f32)>,
    /// Start of the random numbers. The same seed, settings and build give the same answer.
    /// `None` takes a new one each time.
    pub seed: Option<u64>,
}

/// Most tokens that penalties look back at.
pub const MAX_PENALTY_WINDOW: usize = 65_536;

/// The bias that rules a token out instead of making it less likely.
pub const RULED_OUT: f32 = -100.0;

impl Default for SamplingParams {
    fn default() -> Self {
        Self {
            temperature: 1.0,
            top_k: 0,
            typical_p: 1.0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            penalty_window: 64,
            logit_bias: Vec::new(),
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
        const SHARE: &str = "above 0 and at most 1";
        const HUNDRED: &str = "from -100 to 100";
        // Written so that a NaN fails every check.
        let is_share = |value: f32| value > 0.0 && value <= 1.0;
        let is_hundred = |value: f32| (-100.0..=100.0).contains(&value);
        let bias = self.logit_bias.iter().map(|&(_, bias)| bias);
        let wrong_bias = bias.into_iter().find(|&bias| !is_hundred(bias));
        let settings = [
            (
                "temperature",
                self.temperature,
                (0.0..=100.0).contains(&self.temperature),
                "from 0 to 100",
            ),
            ("typical_p", self.typical_p, is_share(self.typical_p), SHARE),
            ("top_p", self.top_p, is_share(self.top_p), SHARE),
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
            (
                "frequency_penalty",
                self.frequency_penalty,
                is_hundred(self.frequency_penalty),
                HUNDRED,
            ),
            (
                "presence_penalty",
                self.presence_penalty,
                is_hundred(self.presence_penalty),
                HUNDRED,
            ),
            (
                "penalty_window",
                self.penalty_window as f32,
                self.penalty_window <= MAX_PENALTY_WINDOW,
                "at most 65536",
            ),
            (
                "logit_bias",
                wrong_bias.unwrap_or_default(),
                wrong_bias.is_none(),
                HUNDRED,
            ),
        ];
        match settings.into_iter().find(|&(_, _, ok, _)| !ok) {
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
        assert_eq!(with(|p| p.typical_p = 0.0), "typical_p");
        assert_eq!(with(|p| p.typical_p = f32::NAN), "typical_p");
        assert_eq!(with(|p| p.top_p = 0.0), "top_p");
        assert_eq!(with(|p| p.top_p = f32::NAN), "top_p");
        assert_eq!(with(|p| p.min_p = 1.5), "min_p");
        assert_eq!(with(|p| p.repetition_penalty = 0.0), "repetition_penalty");
        assert_eq!(
            with(|p| p.repetition_penalty = f32::INFINITY),
            "repetition_penalty"
        );
        assert_eq!(with(|p| p.frequency_penalty = f32::NAN), "frequency_penalty");
        assert_eq!(with(|p| p.presence_penalty = 101.0), "presence_penalty");
        assert_eq!(with(|p| p.penalty_window = 65_537), "penalty_window");
        assert_eq!(
            with(|p| p.logit_bias = vec![(1, 0.0), (2, f32::NAN)]),
            "logit_bias"
        );
    }
}
