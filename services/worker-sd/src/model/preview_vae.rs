//! A small VAE that decodes in a fraction of the time, for previews (TAESD, the Tiny AutoEncoder for Stable Diffusion,
//! <https://github.com/madebyollin/taesd>): a row of convolutions without norms and attention.

use std::path::Path;

use candle_core::{DType, Tensor};
use rbee_artifacts::AddOnKind;
use rbee_artifacts::detect::{DetectError, Detected, Links, detect_path};

use super::LoadOptions;
use super::builder::{self, Builder, Scope};
use super::error::{ComputeError, LoadError, Stop, go_on};
use super::file::{WeightFile, at, name_of};
use super::layers::{Added, Linear, Movement};
use super::names::Meaning;
use super::tensors::Tensors;
use super::weight::Backend;

/// Channels of the latents that the models of this worker have.
const LATENT_CHANNELS: usize = 4;
/// What latents are bent to stay below, both ways, before anything else.
const LIMIT: f64 = 3.0;
/// As its tensors are called inside.
const DECODER: &str = "decoder.";
/// How the decoder's layers are called in files: by diffusers, and by their author alone or beside the encoder's.
const PREFIXES: [&str; 3] = ["decoder.layers.", "taesd_decoder.", ""];
/// Deeper than any published one by far.
const MAX_LAYERS: usize = 256;

/// What of a row of layers has weights.
#[derive(Debug)]
enum Layer {
    Convolution(Linear),
    /// Three convolutions, and the input added.
    Block([Linear; 3]),
}

/// A decoder of previews.
#[derive(Debug)]
pub struct PreviewVae {
    backend: Backend,
    /// Each with its number. Where one is missed out between two there is a function without weights.
    layers: Vec<(usize, Layer)>,
}

impl PreviewVae {
    /// Loads the decoder of a file or of a folder as diffusers writes it.
    ///
    /// # Errors
    /// When it cannot be read, is no preview VAE, has no decoder for the latents of Stable Diffusion, or is broken.
    pub fn load(path: &Path, options: &LoadOptions) -> Result<Self, LoadError> {
        match detect_path(path, Links::All).map_err(at(path))? {
            Detected::AddOn(facts) if facts.kind == AddOnKind::PreviewVae => {}
            other => {
                return Err(LoadError::WrongKind {
                    path: path.to_owned(),
                    found: other.in_words(),
                    wanted: "a preview VAE (TAESD)".to_owned(),
                });
            }
        }
        let file = match path.is_dir() {
            true => super::open::only_file(path, "diffusion_pytorch_model.safetensors")?,
            false => path.to_owned(),
        };
        let file = WeightFile::open(&file, &name_of(&file))?;
        let names = || file.header.tensors().iter().map(|tensor| tensor.name.as_str());
        // Without a prefix, everything is the decoder's, or the encoder's.
        let prefix = PREFIXES
            .iter()
            .find(|prefix| names().any(|name| name.starts_with(**prefix)));
        let prefix = prefix.copied().unwrap_or_default();
        let mut tensors = Tensors::default();
        tensors
            .add(&file, |name, _| {
                let meaning = name.strip_prefix(prefix).map(|name| format!("{DECODER}{name}"));
                Some(meaning.map_or(Meaning::Nothing, Meaning::Tensor))
            })
            .map_err(at(path))?;
        let builder = Builder::new(&tensors);
        let decoder = Self::new(&builder.below(DECODER, &options.backend())).map_err(at(path))?;
        let weights = builder.finish(&[DECODER]).map_err(at(path))?;
        builder::load(&weights, &mut |_| {})?;
        Ok(decoder)
    }

    fn new(scope: &Scope<'_>) -> Result<Self, DetectError> {
        let mut layers = Vec::new();
        let mut width = LATENT_CHANNELS;
        for number in (0..MAX_LAYERS).filter(|number| scope.has(&number.to_string())) {
            let block = scope.at(&number.to_string());
            let layer = if block.has("conv") {
                let part = |part: &str| Linear::convolution(&block, part, width, width, 3);
                Layer::Block([part("conv.0")?, part("conv.2")?, part("conv.4")?])
            } else {
                let name = number.to_string();
                let outputs = scope.size(&format!("{name}.weight"), 0)?;
                let layer = match scope.has_tensor(&format!("{name}.bias")) {
                    true => Linear::convolution(scope, &name, width, outputs, 3)?,
                    false => Linear::convolution_without_bias(scope, &name, width, outputs, 3)?,
                };
                width = outputs;
                Layer::Convolution(layer)
            };
            layers.push((number, layer));
        }
        let decoder = Self {
            backend: scope.backend().clone(),
            layers,
        };
        let enlargements = decoder.enlargements();
        if width != 3 || enlargements != 3 {
            return Err(scope.invalid(
                "layers",
                format!(
                    "give {width} colours and enlarge {enlargements} times, where a decoder gives 3 and enlarges 3 times"
                ),
            ));
        }
        Ok(decoder)
    }

    /// Whether something without weights lies between a layer and the one before it.
    fn apart(&self, index: usize) -> bool {
        let number = |index: usize| self.layers.get(index).map_or(0, |(number, _)| *number);
        index > 0 && number(index) > number(index - 1) + 1
    }

    /// Whether latents are enlarged before a layer: a convolution apart from the blocks before it.
    fn enlarges(&self, index: usize) -> bool {
        let is_block = |index: usize| matches!(self.layers.get(index), Some((_, Layer::Block(_))));
        self.apart(index) && !is_block(index) && is_block(index - 1)
    }

    fn enlargements(&self) -> usize {
        (0..self.layers.len())
            .filter(|&index| self.enlarges(index))
            .count()
    }

    /// Pictures `[rows, 3, 8 height, 8 width]`, about -1 to 1, of latents `[rows, 4, height, width]` as the UNet knows
    /// them.
    ///
    /// # Errors
    /// When it was stopped, the latents have another shape, or the device fails.
    pub fn decode(&self, latents: &Tensor, stop: &Stop<'_>) -> Result<Tensor, ComputeError> {
        let latents = latents.to_dtype(self.backend.dtype())?.permute((0, 2, 3, 1))?;
        let mut hidden = ((latents / LIMIT)?.tanh()? * LIMIT)?.contiguous()?;
        let none = Added::default();
        for (index, (_, layer)) in self.layers.iter().enumerate() {
            go_on(stop)?;
            hidden = match layer {
                Layer::Convolution(convolution) if self.enlarges(index) => {
                    let (_, height, width, _) = hidden.dims4()?;
                    convolution.convolve(&hidden, Movement::Enlarge(2 * height, 2 * width), &none)?
                }
                Layer::Convolution(convolution) => convolution.convolve(&hidden, Movement::Same, &none)?,
                Layer::Block([first, second, third]) => {
                    let input = match self.apart(index) {
                        true => hidden.relu()?,
                        false => hidden,
                    };
                    let inner = first.convolve(&input, Movement::Same, &none)?.relu()?;
                    let inner = second.convolve(&inner, Movement::Same, &none)?.relu()?;
                    let sum = third.convolve(&inner, Movement::Same, &Added::residual(&input))?;
                    sum.relu()?
                }
            };
        }
        // Its colours are from 0 to 1.
        let colours = ((hidden.to_dtype(DType::F32)? * 2.0)? - 1.0)?;
        Ok(colours.permute((0, 3, 1, 2))?.contiguous()?)
    }
}
