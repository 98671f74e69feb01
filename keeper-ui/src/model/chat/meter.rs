//! How full the context is.

/// Tokens of the conversation beside what the worker has room for. What is not known is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ContextMeter {
    /// Tokens of the conversation, as the worker counted them.
    pub used: Option<u32>,
    /// Tokens that the worker has room for in one request.
    pub limit: Option<u32>,
}

/// How much care a context needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fullness {
    /// There is room.
    Roomy,
    /// Four fifths are used.
    Close,
    /// The next answer has no room.
    Full,
}

impl ContextMeter {
    /// Share that is used, 0 to 1; absent where either side is not known.
    #[must_use]
    pub fn fraction(&self) -> Option<f64> {
        let (used, limit) = (self.used?, self.limit.filter(|limit| *limit > 0)?);
        Some((f64::from(used) / f64::from(limit)).min(1.0))
    }

    /// How much care it needs; absent where it is not known.
    #[must_use]
    pub fn fullness(&self) -> Option<Fullness> {
        Some(match self.fraction()? {
            fraction if fraction >= 1.0 => Fullness::Full,
            fraction if fraction >= 0.8 => Fullness::Close,
            _ => Fullness::Roomy,
        })
    }

    /// In words, such as `1,204 of 4,096 tokens`.
    #[must_use]
    pub fn words(&self) -> String {
        match (self.used, self.limit) {
            (Some(used), Some(limit)) => format!("{} of {} tokens", grouped(used), grouped(limit)),
            (Some(1), None) => "1 token".to_owned(),
            (Some(used), None) => format!("{} tokens", grouped(used)),
            (None, Some(limit)) => format!("room for {} tokens", grouped(limit)),
            (None, None) => "not known".to_owned(),
        }
    }
}

/// A number with its thousands apart.
fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_stays_unknown() {
        assert_eq!(ContextMeter::default().fraction(), None);
        assert_eq!(
            ContextMeter {
                used: Some(9),
                limit: None
            }
            .words(),
            "9 tokens"
        );
        assert_eq!(
            ContextMeter {
                used: Some(9),
                limit: Some(0)
            }
            .fullness(),
            None
        );
    }

    #[test]
    fn it_warns_before_it_is_full() {
        let fullness = |used| {
            ContextMeter {
                used: Some(used),
                limit: Some(1000),
            }
            .fullness()
            .unwrap()
        };
        assert_eq!(fullness(799), Fullness::Roomy);
        assert_eq!(fullness(800), Fullness::Close);
        assert_eq!(fullness(1000), Fullness::Full);
        assert_eq!(fullness(2000), Fullness::Full);
    }

    #[test]
    fn thousands_stand_apart() {
        assert_eq!(
            ["0", "999", "1,000", "1,234,567"],
            [0, 999, 1000, 1_234_567]
                .map(grouped)
                .each_ref()
                .map(String::as_str)
        );
    }
}
