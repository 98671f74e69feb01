//! A painter without a model.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use std::time::Duration;

use image::RgbImage;
use parking_lot::Mutex;
use rbee_artifacts::StableDiffusionVersion;
use rbee_artifacts::detect::Prediction;

use crate::domain::Facts;
use crate::engine::{EngineError, Outcome, PaintError, Painter, Progress, Step, Times, Work};

/// Makes grey pictures, a step of each for each word that it is given.
pub(super) struct Easel {
    facts: Facts,
    /// One word for each step; without a hand that gives words, all steps are made at once.
    hand: Option<Mutex<Receiver<()>>>,
    painted: Arc<Mutex<Vec<String>>>,
    sheets: Vec<Sheet>,
}

/// A request that is painted.
struct Sheet {
    id: u64,
    work: Work,
    image: u32,
    step: u32,
}

impl Easel {
    pub(super) fn set_up(hand: Option<Receiver<()>>) -> (Box<dyn Painter>, Arc<Mutex<Vec<String>>>) {
        let painted = Arc::default();
        let easel = Self {
            facts: Facts {
                version: StableDiffusionVersion::V1_5,
                prediction: Prediction::Epsilon,
                native_edge: 64,
                inpainting: false,
                distilled: None,
            },
            hand: hand.map(Mutex::new),
            painted: Arc::clone(&painted),
            sheets: Vec::new(),
        };
        (Box::new(easel), painted)
    }
}

fn on(flow: ControlFlow<()>) -> Result<(), PaintError> {
    match flow {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(()) => Err(PaintError::Cancelled),
    }
}

impl Painter for Easel {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn begin(&mut self, id: u64, work: &Work, progress: &mut dyn Progress) -> Result<(), PaintError> {
        let prompt = &work.request.prompt;
        self.painted.lock().push(prompt.clone());
        match prompt.as_str() {
            "panic" => panic!("the brush broke"),
            "nan" => return Err(EngineError::NotFinite.into()),
            _ => {}
        }
        on(progress.started(work.choices.steps))?;
        self.sheets.push(Sheet {
            id,
            work: work.clone(),
            image: 0,
            step: 0,
        });
        Ok(())
    }

    /// What has the same width goes together.
    fn joins(&self, work: &Work) -> bool {
        self.sheets
            .iter()
            .all(|sheet| sheet.work.choices.width == work.choices.width)
    }

    fn advance(&mut self, watched: &mut [(u64, &mut dyn Progress)]) -> Vec<(u64, Outcome)> {
        if let Some(hand) = &self.hand {
            let _ = hand.lock().recv();
        }
        self.sheets
            .retain(|sheet| watched.iter().any(|(id, _)| *id == sheet.id));
        let mut ended = Vec::new();
        for sheet in &mut self.sheets {
            let (_, progress) = watched.iter_mut().find(|(id, _)| *id == sheet.id).unwrap();
            match sheet.step(&mut **progress) {
                Err(error) => ended.push((sheet.id, Err(error))),
                Ok(()) if sheet.image == sheet.work.request.count => {
                    ended.push((sheet.id, Ok(Times::default())));
                }
                Ok(()) => {}
            }
        }
        self.sheets
            .retain(|sheet| ended.iter().all(|(id, _)| *id != sheet.id));
        ended
    }
}

impl Sheet {
    fn step(&mut self, progress: &mut dyn Progress) -> Result<(), PaintError> {
        let choices = &self.work.choices;
        self.step += 1;
        on(progress.step(Step {
            image: self.image,
            step: self.step,
            total: choices.steps,
            sigma: 1.0,
            duration: Duration::from_millis(1),
        }))?;
        progress.preview(self.image, self.step, &RgbImage::new(8, 8));
        if self.work.request.prompt == "fails" {
            return Err(EngineError::NotFinite.into());
        }
        if self.step == choices.steps {
            let picture = RgbImage::from_pixel(choices.width, choices.height, image::Rgb([7; 3]));
            let seed = choices.seed + u64::from(self.image);
            on(progress.picture(self.image, seed, &picture))?;
            (self.image, self.step) = (self.image + 1, 0);
        }
        Ok(())
    }
}
