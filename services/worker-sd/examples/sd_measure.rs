//! Times a denoising step and a decoding at SD 1.5's real shape, with random weights, for `cargo xtask bench sd`.
//! Prints one JSON report.
#![allow(clippy::unwrap_used, reason = "a measurement says no by panicking")]

use std::io::{BufWriter, Write as _};
use std::path::{Path, PathBuf};
use std::time::Instant;

use candle_core::{Device, Tensor};
use clap::Parser;
use half::f16;
use sd_worker_rbee::kernels::{
    Attention, Convolution, Finish, GroupNorm, Isa, Lanes, Numbers, Panels, attend, convolve, group_norm,
    product,
};
use sd_worker_rbee::model::{LoadOptions, Model, UnetInput};
use serde_json::{Map, Value, json};

#[derive(Parser)]
struct Arguments {
    /// Where the model is written for the time of the measurement: 2.1 GB.
    #[arg(long)]
    folder: PathBuf,
    /// Names and shapes of the model's tensors.
    #[arg(long)]
    manifest: PathBuf,
    /// How often each is timed.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Leaves out the decoding.
    #[arg(long)]
    only_step: bool,
    /// Times single kernels at the model's sizes instead.
    #[arg(long)]
    kernels: bool,
}

/// Writes a checkpoint whose tensors have these shapes, in 16-bit floats that keep sums in bounds.
fn write_model(path: &Path, shapes: &Map<String, Value>) {
    let shapes: Vec<(&String, Vec<u64>)> = shapes
        .iter()
        .map(|(name, shape)| {
            let sizes = shape
                .as_array()
                .unwrap()
                .iter()
                .map(|size| size.as_u64().unwrap());
            (name, sizes.collect())
        })
        .collect();
    let mut header = Map::new();
    let mut end = 0;
    for (name, shape) in &shapes {
        let begin = end;
        end += 2 * shape.iter().product::<u64>();
        let entry = json!({"dtype": "F16", "shape": shape, "data_offsets": [begin, end]});
        header.insert((*name).clone(), entry);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let mut file = BufWriter::new(std::fs::File::create(path).unwrap());
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(&header).unwrap();
    // A linear congruence (Knuth, MMIX).
    let mut state = 1_u64;
    for (name, shape) in &shapes {
        let inputs: u64 = shape.iter().skip(1).product();
        let is_norm = name.contains("norm") || name.contains("layers.0.") || name.ends_with("out.0.weight");
        let scale = 1.7 / (inputs.max(1) as f32).sqrt();
        let mut row = Vec::new();
        for _ in 0..shape.iter().product::<u64>() {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let random = (state >> 40) as f32 / (1 << 23) as f32 - 1.0;
            let number = match (shape.len(), is_norm && name.ends_with("weight")) {
                (1, true) => 1.0,
                (0 | 1, _) => 0.0,
                _ => random * scale,
            };
            row.extend(f16::from_f32(number).to_le_bytes());
        }
        file.write_all(&row).unwrap();
    }
    file.flush().unwrap();
}

/// Seconds of each round by the clock, and of all processors together.
fn seconds(rounds: usize, mut run: impl FnMut()) -> (Vec<f64>, Vec<f64>) {
    (0..rounds)
        .map(|_| {
            let (begin, processors) = (Instant::now(), processor_seconds());
            run();
            (begin.elapsed().as_secs_f64(), processor_seconds() - processors)
        })
        .unzip()
}

/// What this process has taken of all processors: on a busy machine this says more than the clock.
fn processor_seconds() -> f64 {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_PROCESS_CPUTIME_ID).unwrap();
    time.tv_sec() as f64 + time.tv_nsec() as f64 / 1e9
}

fn numbers(shape: &[usize]) -> Tensor {
    Tensor::randn(0f32, 1.0, shape, &Device::Cpu).unwrap()
}

/// Billions of operations that single kernels do in a second of one processor.
fn kernels(rounds: usize) -> Value {
    let isa = Isa::detect();
    let fill =
        |count: usize| -> Vec<f32> { (0..count).map(|place| (place % 17) as f32 * 0.1 - 0.8).collect() };
    let halves = |count: usize| -> Vec<f16> { fill(count).into_iter().map(f16::from_f32).collect() };
    let mut report = Map::new();
    let mut note = |name: String, operations: f64, run: &mut dyn FnMut()| {
        let (_, processors) = seconds(rounds + 1, run);
        let best = processors.into_iter().fold(f64::MAX, f64::min);
        report.insert(name, json!(operations / best / 1e9));
    };
    for (rows, inputs, outputs) in [
        (8192, 320, 320),
        (2048, 640, 5120),
        (512, 5120, 1280),
        (154, 768, 320),
    ] {
        let (a, b) = (fill(rows * inputs), halves(inputs * outputs));
        let panels = Panels::pack(Numbers::F16(&b), outputs, inputs, 1, Lanes::InOrder);
        let operations = 2.0 * (rows * inputs * outputs) as f64;
        note(
            format!("product {rows}x{inputs}x{outputs}"),
            operations,
            &mut || {
                std::hint::black_box(product(isa, &a, &panels, &Finish::default()));
            },
        );
    }
    for (images, edge, inputs, outputs) in [
        (2, 64, 320, 320),
        (2, 32, 1280, 640),
        (2, 16, 2560, 1280),
        (2, 8, 1280, 1280),
        (1, 512, 128, 128),
    ] {
        let shape = Convolution::same(images, edge, edge, 3);
        let (a, b) = (fill(images * edge * edge * inputs), halves(9 * inputs * outputs));
        let panels = Panels::pack(Numbers::F16(&b), outputs, inputs, 9, Lanes::InOrder);
        let operations = 18.0 * (images * edge * edge * inputs * outputs) as f64;
        note(
            format!("convolution {images}x{edge}x{edge} {inputs} to {outputs}"),
            operations,
            &mut || {
                std::hint::black_box(convolve(isa, &shape, &a, &panels, &Finish::default()));
            },
        );
    }
    for (batch, heads, width, tokens, keys) in [
        (2, 8, 40, 4096, 4096),
        (2, 8, 40, 4096, 77),
        (2, 8, 80, 1024, 1024),
        (1, 1, 512, 4096, 4096),
    ] {
        let shape = Attention {
            batch,
            heads,
            width,
            queries: tokens,
            keys,
            causal: false,
        };
        let (q, k) = (
            fill(batch * tokens * heads * width),
            fill(batch * keys * heads * width),
        );
        let operations = 4.0 * (batch * heads * width * tokens * keys) as f64;
        note(
            format!("attention {tokens} to {keys} of {width}"),
            operations,
            &mut || {
                std::hint::black_box(attend(isa, &shape, &q, &k, &k));
            },
        );
    }
    let (a, ones) = (fill(2 * 4096 * 320), vec![1.0; 320]);
    note("group norm 2x4096x320".to_owned(), a.len() as f64, &mut || {
        let norm = GroupNorm {
            weight: &ones,
            bias: &ones,
            groups: 32,
            epsilon: 1e-5,
            silu: true,
        };
        std::hint::black_box(group_norm(isa, &norm, &a, 4096));
    });
    Value::Object(report)
}

/// A step of several pictures together, each with and without its prompt.
fn steps(model: &Model, rounds: usize, pictures: usize) -> (Vec<f64>, Vec<f64>) {
    let rows = 2 * pictures;
    let (latents, context) = (numbers(&[rows, 4, 64, 64]), numbers(&[rows, 77, 768]));
    seconds(rounds, || {
        let input = UnetInput {
            latents: &latents,
            timesteps: &vec![500.0; rows],
            context: &context,
            added: None,
            guidance: None,
        };
        std::hint::black_box(model.unet(&input, &|| false).unwrap());
    })
}

fn main() {
    let arguments = Arguments::parse();
    if arguments.kernels {
        println!("{}", kernels(arguments.rounds));
        return;
    }
    let path = arguments.folder.join("model.safetensors");
    if !path.exists() {
        let manifest: Value = serde_json::from_slice(&std::fs::read(&arguments.manifest).unwrap()).unwrap();
        write_model(&path, manifest["shapes"].as_object().unwrap());
    }
    let begin = Instant::now();
    let model = Model::load(&path, &LoadOptions::default(), &mut |_| {}).unwrap();
    let load = begin.elapsed().as_secs_f64();
    let (single_steps, step_processors) = steps(&model, arguments.rounds, 1);
    // Two requests in one.
    let (double_steps, double_step_processors) = steps(&model, arguments.rounds, 2);
    let (decodes, decode_processors) = match arguments.only_step {
        true => (Vec::new(), Vec::new()),
        false => {
            let latents = numbers(&[1, 4, 64, 64]);
            seconds(arguments.rounds, || {
                std::hint::black_box(model.vae().decode(&latents, &|| false).unwrap());
            })
        }
    };
    let report = json!({
        "threads": rayon::current_num_threads(),
        "load_seconds": load,
        "step_seconds": single_steps,
        "step_processor_seconds": step_processors,
        "double_step_seconds": double_steps,
        "double_step_processor_seconds": double_step_processors,
        "decode_seconds": decodes,
        "decode_processor_seconds": decode_processors,
    });
    println!("{report}");
}
