//! The rotary positions that a `config.json` describes.

use rbee_artifacts::LlmArchitecture;
use rbee_artifacts::detect::DetectError;
use serde_json::{Map, Value};

use super::config::{Fields, GLOBAL, LOCAL};
use super::rope::{LongRope, RopeScale, RopeSpec, Yarn};

/// What transformers takes where a file does not say.
const ROPE_THETA: f32 = 10_000.0;
const GEMMA3_ROPE_THETA: f32 = 1_000_000.0;
const YARN_FAST_TURNS: f32 = 32.0;
const YARN_SLOW_TURNS: f32 = 1.0;

impl Fields<'_> {
    /// How many numbers of a head turn.
    pub(super) fn rope_dim(&self) -> Result<usize, DetectError> {
        let key = "partial_rotary_factor";
        let of_parameters = self.object("rope_parameters")?.and_then(|of| of.get(key));
        let share = match (self.number(key, 0.0)?, of_parameters) {
            (Some(share), _) => share,
            (None, Some(share)) => self.checked(key, share, 0.0)?,
            (None, None) => 1.0,
        };
        let dim = (self.config.head_dim as f32 * share) as usize;
        if share <= 1.0 && dim > 0 && dim.is_multiple_of(2) {
            return Ok(dim);
        }
        Err(self.invalid(
            key,
            format!("is {share}, which leaves no pairs of numbers to turn"),
        ))
    }

    /// The rotation of global layers, and for Gemma 3 that of local ones.
    pub(super) fn ropes(&self) -> Result<Vec<RopeSpec>, DetectError> {
        let gemma3 = self.architecture == LlmArchitecture::Gemma3;
        let default = if gemma3 { GEMMA3_ROPE_THETA } else { ROPE_THETA };
        let theta = self.number("rope_theta", 1.0)?.unwrap_or(default);
        let local_theta = self.number("rope_local_base_freq", 1.0)?.unwrap_or(ROPE_THETA);
        let plain = RopeSpec::plain;
        let (global, local) = match self.object("rope_parameters")? {
            // One description for each kind of layer, or one for all.
            Some(parameters) => match (parameters.get(GLOBAL), parameters.get(LOCAL)) {
                (None, None) => (self.rope(parameters, theta)?, plain(local_theta)),
                (global, local) => {
                    let read = |of: Option<&Value>, theta| match of.and_then(Value::as_object) {
                        Some(parameters) => self.rope(parameters, theta),
                        None => Ok(plain(theta)),
                    };
                    (read(global, theta)?, read(local, local_theta)?)
                }
            },
            None => match self.object("rope_scaling")? {
                Some(scaling) => (self.rope(scaling, theta)?, plain(local_theta)),
                None => (plain(theta), plain(local_theta)),
            },
        };
        Ok(if gemma3 { vec![global, local] } else { vec![global] })
    }

    fn object(&self, key: &str) -> Result<Option<&Map<String, Value>>, DetectError> {
        match self.json.get(key) {
            None => Ok(None),
            Some(Value::Object(object)) => Ok(Some(object)),
            Some(_) => Err(self.invalid(key, "must be an object")),
        }
    }

    /// A kind of scaling that is not known must not be left out: the text would be wrong.
    fn rope(&self, parameters: &Map<String, Value>, theta: f32) -> Result<RopeSpec, DetectError> {
        let parameters = Parameters {
            fields: self,
            of: parameters,
        };
        let theta = parameters.number("rope_theta", 1.0)?.unwrap_or(theta);
        let plain = |scaling| RopeSpec {
            scaling,
            ..RopeSpec::plain(theta)
        };
        let kind = parameters
            .of
            .get("rope_type")
            .or_else(|| parameters.of.get("type"));
        match kind.and_then(Value::as_str).unwrap_or("default") {
            "default" => Ok(plain(RopeScale::None)),
            "linear" => Ok(plain(RopeScale::Linear(parameters.required("factor")?))),
            "llama3" => Ok(plain(parameters.llama3()?)),
            // Early files of Phi 3 call it by the other's name.
            "yarn" if !parameters.of.contains_key("long_factor") => parameters.yarn(theta),
            "yarn" | "longrope" | "su" => parameters.longrope(theta),
            other => Err(self.unsupported(
                "rope_scaling",
                format!("is {other:?}; default, linear, llama3, yarn and longrope are supported"),
            )),
        }
    }
}

/// One description of a rotation.
struct Parameters<'a> {
    fields: &'a Fields<'a>,
    of: &'a Map<String, Value>,
}

impl Parameters<'_> {
    fn number(&self, key: &str, least: f32) -> Result<Option<f32>, DetectError> {
        let given = self.of.get(key).filter(|value| !value.is_null());
        given
            .map(|value| self.fields.checked(&format!("rope {key}"), value, least))
            .transpose()
    }

    fn required(&self, key: &str) -> Result<f32, DetectError> {
        self.number(key, 0.0)?
            .ok_or_else(|| self.fields.invalid(&format!("rope {key}"), "is missing"))
    }

    /// Tokens it was first trained for, and how much longer it is now, as transformers finds both: Phi 3 tells the
    /// former outside.
    fn stretch(&self) -> Result<(f32, f32), DetectError> {
        let key = "original_max_position_embeddings";
        let longest = self.fields.config.context_length.unwrap_or(1) as f32;
        let original = match self.fields.number(key, 1.0)? {
            Some(outside) => outside,
            None => self.number(key, 1.0)?.unwrap_or(longest),
        };
        let factor = self.number("factor", 0.0)?.unwrap_or(longest / original);
        Ok((original, factor))
    }

    fn llama3(&self) -> Result<RopeScale, DetectError> {
        let (low_turns, high_turns) = (
            self.required("low_freq_factor")?,
            self.required("high_freq_factor")?,
        );
        if low_turns >= high_turns {
            return Err(self
                .fields
                .invalid("rope high_freq_factor", "must be above low_freq_factor"));
        }
        Ok(RopeScale::Llama3 {
            factor: self.required("factor")?,
            low_turns,
            high_turns,
            original_context: self.required("original_max_position_embeddings")?,
        })
    }

    fn yarn(&self, theta: f32) -> Result<RopeSpec, DetectError> {
        let (original_context, factor) = self.stretch()?;
        let scales = (self.number("mscale", 0.0)?, self.number("mscale_all_dim", 0.0)?);
        let by_scales = match scales {
            (Some(scale), Some(of_all)) => Yarn::magnitude(factor, scale) / Yarn::magnitude(factor, of_all),
            _ => Yarn::magnitude(factor, 1.0),
        };
        Ok(RopeSpec {
            theta,
            magnitude: self.number("attention_factor", 0.0)?.unwrap_or(by_scales),
            scaling: RopeScale::Yarn(Yarn {
                factor,
                original_context,
                fast_turns: self.number("beta_fast", 0.0)?.unwrap_or(YARN_FAST_TURNS),
                slow_turns: self.number("beta_slow", 0.0)?.unwrap_or(YARN_SLOW_TURNS),
                whole_pairs: self.of.get("truncate").and_then(Value::as_bool).unwrap_or(true),
                kept: 1.0,
            }),
        })
    }

    fn longrope(&self, theta: f32) -> Result<RopeSpec, DetectError> {
        let (original_context, factor) = self.stretch()?;
        let original_context = original_context as usize;
        let by_factor = LongRope::magnitude(factor, original_context);
        Ok(RopeSpec {
            theta,
            magnitude: self.number("attention_factor", 0.0)?.unwrap_or(by_factor),
            scaling: RopeScale::Long(LongRope {
                original_context,
                short: self.factors("short_factor")?,
                long: self.factors("long_factor")?,
            }),
        })
    }

    /// A list with one number for each pair.
    fn factors(&self, key: &str) -> Result<Vec<f32>, DetectError> {
        let pairs = self.fields.rope_dim()? / 2;
        let name = format!("rope {key}");
        let list = self.of.get(key).and_then(Value::as_array);
        let list = list.filter(|list| list.len() == pairs).ok_or_else(|| {
            let problem = format!("must be a list of {pairs} numbers, one for each pair");
            self.fields.invalid(&name, problem)
        })?;
        let number = |value| self.fields.checked(&name, value, 0.0);
        list.iter().map(number).collect()
    }
}
