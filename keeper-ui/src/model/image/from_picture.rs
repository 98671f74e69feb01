//! What a picture's file says of how it was made becomes settings.

use rbee_pictures::Parameters;

use super::extras::HighResolution;
use super::seed::Seed;
use super::settings::{MAX_STEPS, Settings};
use super::size::Size;
use super::words::{Sampler, Schedule};
use crate::model::ids::ModelId;

/// Settings that were read, and what of the file could not be taken over.
#[derive(Debug, Clone, PartialEq)]
pub struct Read {
    /// The settings.
    pub settings: Settings,
    /// Sentences about what could not be taken over, for the person.
    pub notes: Vec<String>,
}

/// Why a file gives no settings.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ReadError {
    /// It is no picture, or a broken one.
    #[error("This file can't be read: {0}.")]
    Picture(#[from] rbee_pictures::PictureError),
    /// It is a picture that says nothing.
    #[error("This picture does not say how it was made.")]
    Silent,
}

/// Reads a picture's file. `loras` are those that the cluster has.
///
/// # Errors
/// If it is no picture, or says nothing.
pub fn read_file(file: &[u8], loras: &[ModelId]) -> Result<Read, ReadError> {
    let text = rbee_pictures::read(file)?.filter(|text| !text.trim().is_empty());
    Ok(read(&text.ok_or(ReadError::Silent)?, loras))
}

/// Reads the text of a picture. It never fails: what is not understood is told in the notes.
#[must_use]
pub fn read(text: &str, loras: &[ModelId]) -> Read {
    let parameters = Parameters::parse(text);
    let mut read = Read {
        settings: Settings::default(),
        notes: Vec::new(),
    };
    read.settings
        .negative_prompt
        .clone_from(&parameters.negative_prompt);
    read.prompt(&parameters.prompt, loras);
    read.sampling(&parameters);
    if let Some(value) = parameters.get("Seed").and_then(|seed| seed.parse().ok()) {
        read.settings.seed = Seed {
            value: Some(value),
            locked: true,
        };
    }
    read.size(&parameters);
    if let Some(skip) = parameters.get("Clip skip").and_then(|skip| skip.parse().ok()) {
        read.settings.clip_skip = Some(u32::clamp(skip, 1, 12));
    }
    read.second_pass(&parameters);
    if parameters.get("Denoising strength").is_some() && parameters.get("Hires upscale").is_none() {
        read.notes
            .push("It was made from another picture, which is not in the file.".into());
    }
    read
}

impl Read {
    /// Takes the prompt without its `<lora:name:0.8>`, which become LoRAs.
    fn prompt(&mut self, text: &str, loras: &[ModelId]) {
        let mut rest = text;
        while let Some(start) = rest.find("<lora:") {
            let Some(length) = rest[start..].find('>') else {
                break;
            };
            self.push(&rest[..start]);
            self.lora(&rest[start + "<lora:".len()..start + length], loras);
            rest = &rest[start + length + 1..];
        }
        self.push(rest);
        self.settings
            .prompt
            .truncate(self.settings.prompt.trim_end().len());
    }

    /// Appends a part of the prompt; where a LoRA stood between two, one space is enough.
    fn push(&mut self, part: &str) {
        let prompt = &mut self.settings.prompt;
        if prompt.is_empty() || prompt.ends_with(char::is_whitespace) {
            prompt.push_str(part.trim_start());
        } else {
            prompt.push_str(part);
        }
    }

    /// `name:0.8`, and in some programs `name:0.8:0.5` with the text encoder's weight last.
    fn lora(&mut self, text: &str, loras: &[ModelId]) {
        let mut parts = text.split(':');
        let name = parts.next().unwrap_or_default().trim();
        let weight = parts
            .next()
            .and_then(|weight| weight.trim().parse().ok())
            .unwrap_or(1.0);
        match loras.iter().find(|id| short_name(id) == name) {
            Some(id) if f32::is_finite(weight) => {
                if !self.settings.add_lora(id.clone(), weight) {
                    self.notes.push(format!("There is no room for the LoRA {name}."));
                }
            }
            _ => self.notes.push(format!("The LoRA {name} is not here.")),
        }
    }

    fn sampling(&mut self, parameters: &Parameters) {
        if let Some(steps) = parameters.get("Steps").and_then(|steps| steps.parse().ok()) {
            self.settings.set_steps(steps);
        }
        if let Some(scale) = parameters.get("CFG scale").and_then(|scale| scale.parse().ok()) {
            self.settings.set_guidance(scale);
        }
        if let Some(name) = parameters.get("Sampler") {
            match Sampler::published(name) {
                Some((sampler, schedule)) => {
                    self.settings.sampler = Some(sampler);
                    self.settings.schedule = schedule;
                }
                None => self.notes.push(format!("The sampler {name} is not known here.")),
            }
        }
        match parameters.get("Schedule type") {
            // What the program chose by itself is left to the worker.
            None | Some("Automatic") => {}
            Some(name) => match Schedule::named(name) {
                Some(schedule) => self.settings.schedule = Some(schedule),
                None => self.notes.push(format!("The schedule {name} is not known here.")),
            },
        }
    }

    fn second_pass(&mut self, parameters: &Parameters) {
        let Some(scale) = parameters
            .get("Hires upscale")
            .and_then(|scale| scale.parse().ok())
        else {
            return;
        };
        let mut pass = HighResolution::default();
        pass.set_scale(scale);
        let strength = parameters.get("Denoising strength");
        if let Some(strength) = strength.and_then(|strength| strength.parse().ok()) {
            pass.set_strength(strength);
        }
        let steps = parameters.get("Hires steps").and_then(|steps| steps.parse().ok());
        // Some write 0 for as many as the first pass has.
        pass.steps = steps
            .filter(|&steps| steps > 0)
            .map(|steps: u32| steps.min(MAX_STEPS));
        self.settings.high_resolution = Some(pass);
    }

    fn size(&mut self, parameters: &Parameters) {
        let Some(text) = parameters.get("Size") else {
            return;
        };
        let edges = text.split_once('x').and_then(|(width, height)| {
            Some(Size {
                width: width.trim().parse().ok()?,
                height: height.trim().parse().ok()?,
            })
        });
        self.settings.size = edges.map(Size::nearest);
        if edges != self.settings.size {
            self.notes
                .push(format!("Its size {text} can't be made; the nearest is taken."));
        }
    }
}

/// A model's name without the way to it, as the worker writes it into pictures.
#[must_use]
pub fn short_name(id: &ModelId) -> &str {
    let id = id.as_str();
    let name = id.rsplit([':', '/']).next().unwrap_or(id);
    name.strip_suffix(".safetensors").unwrap_or(name)
}

/// The settings of the `index`-th picture of a request, as if it had been asked for alone.
#[must_use]
pub fn of_one(asked: &Settings, seed: u64) -> Settings {
    let mut settings = asked.clone();
    settings.seed = Seed {
        value: Some(seed),
        locked: true,
    };
    settings.count = 1;
    settings
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_published_text_becomes_settings() {
        let read = read(
            "masterpiece, <lora:honey:0.8> (bee:1.2)\nNegative prompt: lowres\nSteps: 28, Sampler: DPM++ 2M Karras, \
             CFG scale: 6.5, Seed: 2912413312, Size: 512x768, Clip skip: 2, Version: v1.10.1",
            &["org/loras:honey.safetensors".into()],
        );
        let settings = read.settings;
        assert_eq!(settings.prompt, "masterpiece, (bee:1.2)");
        assert_eq!(settings.negative_prompt, "lowres");
        assert_eq!((settings.steps, settings.guidance), (Some(28), Some(6.5)));
        assert_eq!(settings.sampler, Some(Sampler::Dpmpp2m));
        assert_eq!(settings.schedule, Some(Schedule::Karras));
        assert_eq!(settings.seed.asked(), Some(2_912_413_312));
        assert_eq!(
            settings.size,
            Some(Size {
                width: 512,
                height: 768
            })
        );
        assert_eq!(settings.clip_skip, Some(2));
        assert_eq!(settings.loras[0].model_id.as_str(), "org/loras:honey.safetensors");
        assert_eq!(read.notes, Vec::<String>::new());
    }

    #[test]
    fn a_second_pass_is_read() {
        let text = "bee\nSteps: 20, Size: 512x512, Denoising strength: 0.35, Hires upscale: 1.5, Hires steps: 12, \
                    Hires upscaler: Latent";
        let told = read(text, &[]);
        let pass = told.settings.high_resolution.unwrap();
        assert_eq!((pass.scale, pass.strength, pass.steps), (1.5, 0.35, Some(12)));
        assert!(told.notes.is_empty());
        assert_eq!(read("bee\nSteps: 20", &[]).settings.high_resolution, None);
    }

    #[test]
    fn what_is_not_here_is_told() {
        let read = read(
            "bee <lora:wasp:1> tree\nSteps: 20, Sampler: Restart, Schedule type: Beta, CFG scale: 7, Seed: 1, \
             Size: 100x9000, Denoising strength: 0.5",
            &[],
        );
        assert_eq!(read.settings.prompt, "bee tree");
        assert_eq!(
            read.settings.size,
            Some(Size {
                width: 104,
                height: 4096
            })
        );
        let told = read.notes.join(" ");
        for word in ["wasp", "Restart", "Beta", "100x9000", "another picture"] {
            assert!(told.contains(word), "{word} in {told}");
        }
    }

    #[test]
    fn a_picture_that_says_nothing_gives_nothing() {
        let picture = super::super::picture::tests::picture(1);
        assert_eq!(read_file(picture.bytes().unwrap(), &[]), Err(ReadError::Silent));
        assert!(matches!(read_file(b"GIF89a", &[]), Err(ReadError::Picture(_))));
        let file = rbee_pictures::embed(picture.bytes().unwrap(), "a bee").unwrap();
        assert_eq!(read_file(&file, &[]).unwrap().settings.prompt, "a bee");
    }

    proptest! {
        #[test]
        fn whatever_a_file_says_is_settings_that_can_be_asked_for(
            prompt in "\\PC{0,40}(<lora:\\PC{0,12})?>?",
            steps in "\\PC{0,6}|[0-9]{1,12}",
            size in "[0-9x]{0,12}",
            seed in "[0-9-]{0,22}",
        ) {
            let text = format!("{prompt}\nSteps: {steps}, Size: {size}, Seed: {seed}, CFG scale: {steps}, Sampler: x");
            let settings = read(&text, &[]).settings;
            prop_assert!(settings.problem().is_none());
        }
    }
}
