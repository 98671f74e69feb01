//! The add-ons that are in the model now.

use std::path::PathBuf;

use rbee_artifacts::ModelId;

use super::errors::of_add_on;
use crate::add_ons::AddOns;
use crate::domain::{ImageRequest, LoraUse};
use crate::engine::EngineError;
use crate::model::{self, LoadOptions, Lora, Model, PreviewVae, Vae};
use crate::prompt;

/// Keeps the model's add-ons as the last request had them.
#[derive(Debug)]
pub(super) struct Attached {
    options: LoadOptions,
    own_vae: Option<PathBuf>,
    add_ons: AddOns,
    /// The VAE that is in place of the worker's.
    vae: Option<ModelId>,
    preview_vae: Option<ModelId>,
    loras: Vec<LoraUse>,
}

impl Attached {
    pub(super) fn new(options: LoadOptions, own_vae: Option<PathBuf>, add_ons: AddOns) -> Self {
        Self {
            options,
            own_vae,
            add_ons,
            vae: None,
            preview_vae: None,
            loras: Vec::new(),
        }
    }

    /// Makes the model what a request wants, and answers the words of its embeddings.
    ///
    /// # Errors
    /// If an add-on is not there or can't be used. The model is then without LoRAs.
    pub(super) fn prepare(
        &mut self,
        model: &mut Model,
        request: &ImageRequest,
    ) -> Result<Vec<prompt::Embedding>, EngineError> {
        self.use_vae(model, request.vae.as_ref())?;
        self.use_preview_vae(model, request.preview_vae.as_ref())?;
        self.use_loras(model, &request.loras)?;
        self.embeddings(model, request)
    }

    /// Whether the model is what a request wants as it is.
    pub(super) fn suits(&self, request: &ImageRequest) -> bool {
        self.vae == request.vae && self.preview_vae == request.preview_vae && self.loras == request.loras
    }

    /// The words of a request's embeddings.
    ///
    /// # Errors
    /// If one is not there or can't be used.
    pub(super) fn embeddings(
        &self,
        model: &Model,
        request: &ImageRequest,
    ) -> Result<Vec<prompt::Embedding>, EngineError> {
        request
            .embeddings
            .iter()
            .map(|embedding| {
                let path = self.add_ons.find(&embedding.model_id)?;
                let opened = model::Embedding::open(&path, model.spec())
                    .map_err(|error| of_add_on(&embedding.model_id, &error))?;
                Ok(prompt::Embedding {
                    word: embedding.word.clone(),
                    vectors: opened.vectors,
                })
            })
            .collect()
    }

    fn use_vae(&mut self, model: &mut Model, wanted: Option<&ModelId>) -> Result<(), EngineError> {
        if self.vae.as_ref() == wanted {
            return Ok(());
        }
        let vae = match (wanted, &self.own_vae) {
            (Some(id), _) => {
                let path = self.add_ons.find(id)?;
                Some(Vae::load(&path, &self.options).map_err(|error| of_add_on(id, &error))?)
            }
            (None, Some(path)) => {
                Some(Vae::load(path, &self.options).map_err(|error| super::failed(&error))?)
            }
            (None, None) => None,
        };
        model.set_vae(vae);
        self.vae = wanted.cloned();
        Ok(())
    }

    fn use_preview_vae(&mut self, model: &mut Model, wanted: Option<&ModelId>) -> Result<(), EngineError> {
        if self.preview_vae.as_ref() == wanted {
            return Ok(());
        }
        let load = |id: &ModelId| {
            let path = self.add_ons.find(id)?;
            PreviewVae::load(&path, &self.options).map_err(|error| of_add_on(id, &error))
        };
        model.set_preview_vae(wanted.map(load).transpose()?);
        self.preview_vae = wanted.cloned();
        Ok(())
    }

    fn use_loras(&mut self, model: &mut Model, wanted: &[LoraUse]) -> Result<(), EngineError> {
        if self.loras == wanted {
            return Ok(());
        }
        // Whatever comes of it, those that were there are not there any more.
        self.loras.clear();
        let put_in = self.put_in(model, wanted);
        if put_in.is_err() {
            model.apply_loras(&[]).map_err(|error| super::failed(&error))?;
        }
        put_in?;
        self.loras = wanted.to_vec();
        Ok(())
    }

    fn put_in(&self, model: &mut Model, wanted: &[LoraUse]) -> Result<(), EngineError> {
        let mut opened = Vec::new();
        for lora in wanted {
            let path = self.add_ons.find(&lora.model_id)?;
            opened.push(Lora::open(&path).map_err(|error| of_add_on(&lora.model_id, &error))?);
        }
        let uses: Vec<_> = wanted
            .iter()
            .zip(&opened)
            .map(|(lora, opened)| model::LoraUse {
                lora: opened,
                unet_weight: f64::from(lora.weight),
                text_weight: f64::from(lora.text_encoder_weight),
            })
            .collect();
        let report = model.apply_loras(&uses).map_err(|error| {
            // One at a time, so that the one at fault is the one that is named.
            let culprit = uses.iter().zip(wanted).find_map(|(lora, wanted)| {
                let error = model.apply_loras(std::slice::from_ref(lora)).err()?;
                Some(of_add_on(&wanted.model_id, &error))
            });
            culprit.unwrap_or_else(|| super::failed(&error))
        })?;
        if !report.unused.is_empty() {
            tracing::warn!(
                unused = report.unused.len(),
                "parts of LoRAs have no place in the model"
            );
        }
        Ok(())
    }
}
