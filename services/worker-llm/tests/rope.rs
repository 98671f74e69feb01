//! Rotary positions that were stretched for long contexts, held against transformers' logits on the same weights.

#![allow(clippy::unwrap_used, reason = "a test says no by panicking")]

use std::path::{Path, PathBuf};

use candle_core::Device;
use llm_worker_rbee::engine::{Backend, LogitsWanted, SequenceStep};
use llm_worker_rbee::kernels::{Arithmetic, KvType};
use llm_worker_rbee::model::{CpuBackend, DeviceBackend, LoadOptions, ModelFiles, RopeScale};
use rbee_artifacts::gguf::GgufHeader;
use rbee_testkit::models::fixture;
use serde::Deserialize;
use serde_json::{Map, Value};

/// What f32 arithmetic on the same weights may differ by.
const EXACT: f32 = 0.002;
/// The same where one of both has the weights in blocks of 8 bits: the mean. Logits have a deviation of about 3.
const BLOCKS: f32 = 0.3;

#[derive(Deserialize)]
struct Case {
    name: String,
    model: String,
    /// What differs in config.json.
    config: Map<String, Value>,
    ids: Vec<u32>,
    /// After which of the ids the logits are known.
    places: Vec<usize>,
    logits: Vec<Vec<f32>>,
}

fn cases() -> Vec<Case> {
    serde_json::from_slice(&std::fs::read(fixture("llm/rope/cases.json")).unwrap()).unwrap()
}

fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

/// The folder of a tiny model with a changed config.json.
fn folder(model: &str, changes: &Map<String, Value>) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(fixture(&format!("llm/tiny/{model}/hf"))).unwrap() {
        let entry = entry.unwrap();
        std::fs::write(
            folder.path().join(entry.file_name()),
            std::fs::read(entry.path()).unwrap(),
        )
        .unwrap();
    }
    let path = folder.path().join("config.json");
    let mut config: Map<String, Value> = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    config.extend(changes.clone());
    std::fs::write(&path, Value::from(config).to_string()).unwrap();
    folder
}

fn options(context_length: Option<usize>) -> LoadOptions {
    LoadOptions {
        threads: Some(1),
        kv_type: KvType::F32,
        arithmetic: Arithmetic::Reference,
        context_length,
    }
}

/// The logits at the places of a case, by both decoders.
fn computed(path: &Path, case: &Case, context_length: Option<usize>) -> [Vec<Vec<f32>>; 2] {
    let files = ModelFiles::open(path).unwrap();
    let options = options(context_length);
    let mut cpu = CpuBackend::load(&files, &options, &mut |_| {}).unwrap();
    let mut device = DeviceBackend::load(&files, &options, &Device::Cpu, &mut |_| {}).unwrap();
    [rows(&mut cpu, case), rows(&mut device, case)]
}

fn rows(backend: &mut dyn Backend, case: &Case) -> Vec<Vec<f32>> {
    let sequence = backend.open(case.ids.len()).unwrap();
    let mut done = 0;
    case.places
        .iter()
        .map(|&place| {
            let mut logits = Vec::new();
            let step = SequenceStep {
                sequence,
                tokens: &case.ids[done..=place],
                logits: LogitsWanted::Last(&mut logits),
            };
            backend.step(&mut [step]).unwrap();
            done = place + 1;
            logits
        })
        .collect()
}

/// The largest difference and the mean.
fn difference(found: &[Vec<f32>], expected: &[Vec<f32>]) -> (f32, f32) {
    let pairs = || found.iter().flatten().zip(expected.iter().flatten());
    let each = || pairs().map(|(a, b)| (a - b).abs());
    (
        each().fold(0.0, f32::max),
        each().sum::<f32>() / pairs().count() as f32,
    )
}

/// The context that a case is served with: longer than the original one, unless it is about short ones.
fn context(case: &Case) -> Option<usize> {
    case.name.ends_with("short").then_some(64)
}

#[test]
fn folders_say_what_transformers_says() {
    let cases = cases();
    assert_eq!(cases.len(), 6);
    for case in &cases {
        let stretched = folder(&case.model, &case.config);
        for found in computed(stretched.path(), case, context(case)) {
            let (largest, _) = difference(&found, &case.logits);
            println!("{}: {largest}", case.name);
            assert!(largest < EXACT, "{}: {largest}", case.name);
        }
        // It would show if the stretching were left out.
        let mut plain = case.config.clone();
        plain.insert("rope_scaling".into(), Value::Null);
        let plain = folder(&case.model, &plain);
        for found in computed(plain.path(), case, context(case)) {
            let (largest, _) = difference(&found, &case.logits);
            assert!(largest > 50.0 * EXACT, "{}: {largest} without it", case.name);
        }
    }
}

#[test]
fn the_context_that_is_served_decides_about_longrope() {
    let case = case("longrope, short");
    let folder = folder(&case.model, &case.config);
    for found in computed(folder.path(), &case, None) {
        let (largest, _) = difference(&found, &case.logits);
        assert!(largest > 50.0 * EXACT, "{largest}");
    }
}

/// More values and tensors for a GGUF file.
#[derive(Default)]
struct More {
    values: Vec<u8>,
    value_count: u64,
    tensors: Vec<(String, Vec<f32>)>,
    /// Values that the file has already, to be replaced: numbers of 32 bits.
    replaced: Vec<(String, u32)>,
}

impl More {
    fn value(&mut self, key: &str, kind: u32, value: &[u8]) {
        self.values.extend((key.len() as u64).to_le_bytes());
        self.values.extend(key.as_bytes());
        self.values.extend(kind.to_le_bytes());
        self.values.extend(value);
        self.value_count += 1;
    }

    fn text(&mut self, key: &str, text: &str) {
        let value = [&(text.len() as u64).to_le_bytes(), text.as_bytes()].concat();
        self.value(key, 8, &value);
    }

    /// The file with them. What is inserted is a multiple of the alignment, so that all else stays where it is.
    fn write(mut self, file: &Path) -> PathBuf {
        const ALIGNMENT: usize = 32;
        let mut bytes = std::fs::read(file).unwrap();
        for (key, number) in &self.replaced {
            let place = (0..)
                .find(|&place| bytes[place..].starts_with(key.as_bytes()))
                .unwrap();
            let value = place + key.len() + 4;
            bytes[value..value + 4].copy_from_slice(&number.to_le_bytes());
        }
        let header = GgufHeader::read(bytes.as_slice(), bytes.len() as u64).unwrap();
        let data_offset = usize::try_from(header.data_offset_bytes).unwrap();
        let first = &header.tensors[0].name;
        let first = [&(first.len() as u64).to_le_bytes(), first.as_bytes()].concat();
        let infos_at = (0..data_offset)
            .find(|&place| bytes[place..].starts_with(&first))
            .unwrap();
        let mut data = bytes[data_offset..].to_vec();
        let mut infos = Vec::new();
        for (name, numbers) in &self.tensors {
            data.resize(data.len().next_multiple_of(ALIGNMENT), 0);
            infos.extend((name.len() as u64).to_le_bytes());
            infos.extend(name.as_bytes());
            infos.extend(1_u32.to_le_bytes());
            infos.extend((numbers.len() as u64).to_le_bytes());
            infos.extend(0_u32.to_le_bytes());
            infos.extend((data.len() as u64).to_le_bytes());
            data.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        }
        let padding_bytes = "padding".len() + 8 + 4 + 8;
        let inserted = self.values.len() + infos.len() + padding_bytes;
        let padding = inserted.next_multiple_of(ALIGNMENT) - inserted;
        self.text("padding", &" ".repeat(padding));

        let count = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
        let counts = [count(8) + self.tensors.len() as u64, count(16) + self.value_count];
        let written = [
            &bytes[..8],
            &counts[0].to_le_bytes(),
            &counts[1].to_le_bytes(),
            &self.values,
            &bytes[24..infos_at],
            &infos,
            &bytes[infos_at..data_offset],
            &data,
        ]
        .concat();
        let path = std::env::temp_dir().join(format!("rope-{}-{}.gguf", std::process::id(), written.len()));
        std::fs::write(&path, written).unwrap();
        path
    }
}

#[test]
fn files_say_the_same_of_yarn() {
    let case = case("yarn, also as GGUF");
    let mut more = More::default();
    more.text("llama.rope.scaling.type", "yarn");
    more.value("llama.rope.scaling.factor", 6, &8.0_f32.to_le_bytes());
    more.value(
        "llama.rope.scaling.original_context_length",
        4,
        &64_u32.to_le_bytes(),
    );
    let path = more.write(&fixture("llm/tiny/mistral/mistral-q8_0.gguf"));
    let (of_file, _) = ModelFiles::open(&path).unwrap().decoder().unwrap();
    let folder = folder(&case.model, &case.config);
    let (of_folder, _) = ModelFiles::open(folder.path()).unwrap().decoder().unwrap();
    assert_eq!(of_file.ropes, of_folder.ropes);
    assert!(matches!(of_file.ropes[0].scaling, RopeScale::Yarn(_)));
    for found in computed(&path, &case, None) {
        let (_, mean) = difference(&found, &case.logits);
        assert!(mean < BLOCKS, "{mean}");
    }
    std::fs::remove_file(path).unwrap();
}

#[test]
fn files_say_the_same_of_longrope() {
    for name in ["longrope, long", "longrope, short"] {
        let case = case(name);
        let folder = folder(&case.model, &case.config);
        let (of_folder, _) = ModelFiles::open(folder.path()).unwrap().decoder().unwrap();
        let rope = &of_folder.ropes[0];
        let RopeScale::Long(long) = &rope.scaling else {
            panic!("{rope:?}")
        };
        let mut more = More::default();
        more.replaced
            .push(("phi3.rope.scaling.original_context_length".into(), 64));
        more.value("phi3.rope.scaling.attn_factor", 6, &rope.magnitude.to_le_bytes());
        more.tensors = vec![
            ("rope_factors_long.weight".into(), long.long.clone()),
            ("rope_factors_short.weight".into(), long.short.clone()),
        ];
        let path = more.write(&fixture("llm/tiny/phi3/phi3-q8_0.gguf"));
        let (of_file, _) = ModelFiles::open(&path).unwrap().decoder().unwrap();
        assert_eq!(of_file.ropes, of_folder.ropes);
        for found in computed(&path, &case, context(&case)) {
            let (_, mean) = difference(&found, &case.logits);
            assert!(mean < BLOCKS, "{name}: {mean}");
        }
        std::fs::remove_file(path).unwrap();
        let plain = fixture("llm/tiny/phi3/phi3-q8_0.gguf");
        for found in computed(&plain, &case, context(&case)) {
            let (_, mean) = difference(&found, &case.logits);
            assert!(mean > 2.0 * BLOCKS, "{name}: {mean} without it");
        }
    }
}

#[test]
fn what_makes_no_sense_is_refused_with_its_field() {
    let long = vec![Value::from(1.0); 8];
    for (scaling, field) in [
        (
            serde_json::json!({"type": "dynamic", "factor": 2.0}),
            "rope_scaling",
        ),
        (serde_json::json!({"type": "yarn", "factor": 0.0}), "rope factor"),
        (
            serde_json::json!({"type": "yarn", "factor": 2.0, "beta_fast": "x"}),
            "rope beta_fast",
        ),
        (
            serde_json::json!({"type": "longrope", "long_factor": long}),
            "rope short_factor",
        ),
        (
            serde_json::json!({"type": "longrope", "short_factor": long, "long_factor": [1.0]}),
            "rope long_factor",
        ),
        (
            serde_json::json!({"type": "longrope", "long_factor": long, "short_factor": [1, 1, 1, 1, 1, 1, 1, 0]}),
            "rope short_factor",
        ),
    ] {
        let changes = Map::from_iter([("rope_scaling".to_owned(), scaling.clone())]);
        let folder = folder("phi3", &changes);
        let loaded = ModelFiles::open(folder.path()).and_then(|files| files.decoder().map(drop));
        let error = loaded.unwrap_err();
        let causes = std::iter::successors(Some(&error as &dyn std::error::Error), |error| error.source());
        let words: Vec<String> = causes.map(ToString::to_string).collect();
        assert!(words.join(": ").contains(field), "{scaling}: {words:?}");
    }
}
