//! Choosing the next token from the model's logits: plain arithmetic, no I/O.
//!
//! In this order:
//!
//! 1. A constraint's mask, where there is one, rules tokens out ([`crate::constraint`]).
//! 2. **Logit bias** is added; one of -100 rules the token out, as do the model's end tokens where a request
//!    wants them ignored.
//! 3. **Repetition penalty**: the logit of each token in the window is divided by it where it is positive and
//!    multiplied where it is negative (Keskar et al. 2019, CTRL).
//! 4. **Frequency and presence penalties**: `count × frequency + presence` is subtracted from the logit of each
//!    token in the window.
//! 5. At **temperature** 0 the likeliest token is taken, and of equal ones that with the lowest id. Otherwise
//!    logits are divided by the temperature and become probabilities.
//! 6. **Top-k** keeps the likeliest tokens.
//! 7. **Typical-p** keeps the tokens whose information `-ln p` is nearest to the entropy of what is left, the
//!    fewest whose share of it is large enough (Meister et al. 2022, "Locally Typical Sampling").
//! 8. **Top-p** keeps the fewest likeliest tokens whose share of what is left is large enough (Holtzman et al.
//!    2020).
//! 9. **Min-p** leaves out what is less likely than its share of the likeliest token that is left (Nguyen et al.
//!    2024).
//! 10. One of the rest is drawn in proportion to its probability.
//!
//! Whatever is ruled out in steps 1 and 2 is never chosen. Ties are broken by ids and sums are taken in one order,
//! so that the same logits, settings and seed give the same token everywhere.

mod candidates;
mod params;
mod penalties;
mod random;
mod sampler;

pub(crate) use candidates::largest;
pub use params::{MAX_PENALTY_WINDOW, RULED_OUT, SamplingError, SamplingParams};
pub use random::Random;
pub use sampler::Sampler;
