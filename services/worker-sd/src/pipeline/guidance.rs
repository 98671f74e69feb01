//! Evaluations of the model: with the prompt, and if there is guidance, with the negative prompt. What several pictures
//! ask is computed side by side where it has one shape.

use super::conditioning::{Conditioning, Prompts, time_ids};
use super::model::{Family, ImageModel, ModelError, UnetInput};
use super::settings::Size;

/// What the model is asked for one picture.
pub(super) struct Question<'a> {
    pub(super) prompts: &'a Prompts,
    pub(super) guidance: f32,
    pub(super) size: Size,
    /// Latents with a variance of about one, and the channels that follow them: mask and masked picture.
    pub(super) samples: Vec<f32>,
    pub(super) timestep: f32,
}

/// A row of a pass through the UNet, and what came of it.
struct Row<'a> {
    question: usize,
    text: &'a Conditioning,
    answer: Vec<f32>,
}

/// The model's answers: without guidance what it says with the prompt; else the negative prompt's answer, and the
/// guidance times the way from there to the prompt's answer. All that has the same shape goes through the UNet at once,
/// and if that fails, each question by itself, so that an answer fails for reasons of its own.
pub(super) fn ask(
    model: &mut dyn ImageModel,
    questions: &[Question<'_>],
) -> Vec<Result<Vec<f32>, ModelError>> {
    match pass_all(model, questions) {
        Ok(rows) => guided(questions, rows).into_iter().map(Ok).collect(),
        Err(error) if questions.len() < 2 => vec![Err(error)],
        Err(error) => {
            tracing::debug!(%error, "pictures are computed apart");
            let alone = questions.iter().map(std::slice::from_ref);
            alone
                .map(|question| {
                    let mut answers = guided(question, pass_all(model, question)?);
                    Ok(answers.pop().unwrap_or_default())
                })
                .collect()
        }
    }
}

/// All rows of all questions, those of one shape in one pass.
fn pass_all<'a>(
    model: &mut dyn ImageModel,
    questions: &'a [Question<'_>],
) -> Result<Vec<Row<'a>>, ModelError> {
    let mut rows: Vec<Row<'a>> = Vec::new();
    for (question, asked) in questions.iter().enumerate() {
        let texts = asked.prompts.negative.iter().chain([&asked.prompts.positive]);
        rows.extend(texts.map(|text| Row {
            question,
            text,
            answer: Vec::new(),
        }));
    }
    let shape = |row: &Row<'_>| {
        let size = questions[row.question].size;
        (size.width, size.height, row.text.tokens)
    };
    let mut left: Vec<usize> = (0..rows.len()).collect();
    while let Some(&first) = left.first() {
        let (now, later) = left
            .into_iter()
            .partition(|&row| shape(&rows[row]) == shape(&rows[first]));
        left = later;
        pass(model, questions, &mut rows, &now)?;
    }
    Ok(rows)
}

/// One pass with some of the rows, all of one shape.
fn pass(
    model: &mut dyn ImageModel,
    questions: &[Question<'_>],
    rows: &mut [Row<'_>],
    now: &[usize],
) -> Result<(), ModelError> {
    let traits = model.traits();
    let (channels, sdxl) = (traits.unet_channels, traits.family == Family::Sdxl);
    let asked = || now.iter().map(|&row| &questions[rows[row].question]);
    let texts = || now.iter().map(|&row| rows[row].text);
    let Some((size, tokens)) = asked()
        .map(|question| question.size)
        .zip(texts().map(|text| text.tokens))
        .next()
    else {
        return Ok(());
    };
    let (height, width) = size.latent();
    let samples: Vec<f32> = asked().flat_map(|question| &question.samples).copied().collect();
    let timesteps: Vec<f32> = asked().map(|question| question.timestep).collect();
    let context: Vec<f32> = texts().flat_map(|text| &text.context).copied().collect();
    let pooled: Option<Vec<&[f32]>> = texts().map(|text| text.pooled.as_deref()).collect();
    let pooled = pooled.filter(|_| sdxl).map(|pooled| pooled.concat());
    let time_ids = time_ids(size).repeat(now.len());
    let answers = model.denoise(UnetInput {
        rows: now.len(),
        channels,
        height,
        width,
        samples: &samples,
        timesteps: &timesteps,
        context: &context,
        tokens,
        pooled: pooled.as_deref(),
        time_ids: sdxl.then_some(time_ids.as_slice()),
    })?;
    for (answer, &row) in answers.chunks(size.latent_count()).zip(now) {
        rows[row].answer = answer.to_vec();
    }
    Ok(())
}

/// The answers to the questions by their rows, the negative prompt's before the prompt's.
fn guided(questions: &[Question<'_>], rows: Vec<Row<'_>>) -> Vec<Vec<f32>> {
    let mut rows = rows.into_iter().map(|row| row.answer);
    let mut next = || rows.next().unwrap_or_default();
    let mut answers = Vec::with_capacity(questions.len());
    for question in questions {
        if question.prompts.negative.is_none() {
            answers.push(next());
            continue;
        }
        let (negative, positive) = (next(), next());
        let pairs = negative.iter().zip(positive);
        let answer = pairs.map(|(&negative, positive)| negative + question.guidance * (positive - negative));
        answers.push(answer.collect());
    }
    answers
}
