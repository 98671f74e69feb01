//! The safetensors reader against the broken and the unusual files of `fixtures/llm`, and against chance.

#[path = "support/memory.rs"]
mod memory;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use memory::peak_bytes;
use proptest::prelude::*;
use rbee_artifacts::safetensors::{Dtype, SafetensorsError, SafetensorsHeader};
use serde::Deserialize;

/// What the fixtures ask of every file.
const LIMIT: Duration = Duration::from_secs(1);
const MEMORY_LIMIT_BYTES: usize = 64 << 20;

#[derive(Deserialize)]
struct Expectations {
    files: Vec<Expectation>,
}

#[derive(Deserialize)]
struct Expectation {
    path: String,
    format: String,
    field: Option<String>,
    why: String,
}

fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures/llm")
        .join(folder)
}

/// The safetensors files that the list in `folder` describes.
fn expectations(folder: &str) -> Vec<Expectation> {
    let text =
        std::fs::read_to_string(fixtures(folder).join(format!("{folder}.json"))).expect("the list is there");
    let all: Expectations = serde_json::from_str(&text).expect("the list is valid");
    all.files
        .into_iter()
        .filter(|file| file.format == "safetensors")
        .collect()
}

fn parse(bytes: &[u8]) -> Result<SafetensorsHeader, SafetensorsError> {
    SafetensorsHeader::read(bytes, bytes.len() as u64)
}

/// A file with this header and `data_bytes` of zeros.
fn file(header: &str, data_bytes: usize) -> Vec<u8> {
    let mut bytes = (header.len() as u64).to_le_bytes().to_vec();
    bytes.extend_from_slice(header.as_bytes());
    bytes.resize(bytes.len() + data_bytes, 0);
    bytes
}

#[test]
fn every_broken_file_is_refused_by_name_in_time_and_in_bounds() {
    let files = expectations("bad");
    assert_eq!(files.len(), 31, "the list of broken files is there");
    for Expectation { path, field, why, .. } in files {
        let bytes = std::fs::read(fixtures("bad").join(&path)).unwrap();
        let started = Instant::now();
        let (outcome, peak) = peak_bytes(|| parse(&bytes));
        assert!(started.elapsed() < LIMIT, "{path} took {:?}", started.elapsed());
        assert!(peak < MEMORY_LIMIT_BYTES, "{path} took {peak} bytes");
        let error = outcome.expect_err(&format!("{path} ({why})"));
        let field = field.expect("every broken file has a field at fault");
        let names = |text: &str| {
            text.split(|letter: char| !letter.is_alphanumeric() && letter != '_')
                .any(|word| word == field)
        };
        assert!(
            names(&error.to_string()),
            "{path}: \"{error}\" does not say {field}"
        );
        assert!(names(error.field()), "{path}: {} is not {field}", error.field());
    }
}

#[test]
fn every_unusual_file_is_accepted() {
    let files = expectations("ok");
    assert_eq!(files.len(), 5);
    for Expectation { path, why, .. } in files {
        let bytes = std::fs::read(fixtures("ok").join(&path)).unwrap();
        parse(&bytes).unwrap_or_else(|error| panic!("{path} ({why}): {error}"));
    }
}

#[test]
fn the_facts_of_a_file_are_what_was_written() {
    let header = r#"{"__metadata__":{"format":"pt","say":"\u00e9\uD83D\uDE00\n\""},
        "b":{"dtype":"BF16","shape":[2,3],"data_offsets":[4,16]}, "a":{"shape":[],"data_offsets":[0,4],"dtype":"F32"},
        "none":{"dtype":"F64","shape":[0,7],"data_offsets":[16,16]}}    "#;
    let header = parse(&file(header, 16)).unwrap();
    assert_eq!(header.metadata["say"], "é😀\n\"");
    let names: Vec<_> = header
        .tensors()
        .iter()
        .map(|tensor| tensor.name.as_str())
        .collect();
    assert_eq!(names, ["a", "b", "none"]);
    let b = header.tensor("b").unwrap();
    assert_eq!(
        (b.dtype, b.shape.as_slice(), b.element_count()),
        (Dtype::Bf16, &[2, 3][..], 6)
    );
    assert_eq!((b.offset_bytes, b.size_bytes), (header.data_offset_bytes + 4, 12));
    assert_eq!(header.tensor("none").unwrap().element_count(), 0);
    assert_eq!(header.tensor("c"), None);
}

#[test]
fn what_a_general_reader_would_let_pass_is_refused() {
    let tensor = r#"{"dtype":"U8","shape":[4],"data_offsets":[0,4]}"#;
    for (header, field) in [
        (format!(r#"{{"a":{tensor},"\u0061":{tensor}}}"#), "tensor a"),
        (format!(r#"{{"":{tensor}}}"#), "header"),
        (format!(r#"{{"a":{tensor}}}{{}}"#), "header"),
        (format!(r#" {{"a":{tensor}}},"#), "header"),
        (format!(r#"{{"a":{tensor},}}"#), "header"),
        (format!("{{\"a\u{1}\":{tensor}}}"), "header"),
        (format!(r#"{{"\ud800":{tensor}}}"#), "header"),
        (format!(r#"{{"\ud800\u0061":{tensor}}}"#), "header"),
        (
            format!(r#"{{"__metadata__":{{"x":"1","x":"2"}},"a":{tensor}}}"#),
            "__metadata__",
        ),
        (
            format!(r#"{{"__metadata__":{{}},"__metadata__":{{}},"a":{tensor}}}"#),
            "__metadata__",
        ),
        (
            format!(r#"{{"__metadata__":{{"x":{{}}}},"a":{tensor}}}"#),
            "__metadata__",
        ),
        (
            r#"{"a":{"dtype":"U8","dtype":"U8","shape":[4],"data_offsets":[0,4]}}"#.to_owned(),
            "tensor a",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4],"more":1}}"#.to_owned(),
            "tensor a",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[[4]],"data_offsets":[0,4]}}"#.to_owned(),
            "tensor a",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[04],"data_offsets":[0,4]}}"#.to_owned(),
            "tensor a",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[4e0],"data_offsets":[0,4]}}"#.to_owned(),
            "tensor a",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[4],"data_offsets":[0,18446744073709551620]}}"#.to_owned(),
            "tensor a",
        ),
        (
            r#"{"a":{"dtype":"U8","shape":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,4],"data_offsets":[0,4]}}"#
                .to_owned(),
            "tensor a",
        ),
        (
            r#"{"a":{"dtype":"F6_E2M3","shape":[6],"data_offsets":[0,4]}}"#.to_owned(),
            "tensor a",
        ),
        (r#"{"a":null}"#.to_owned(), "header"),
    ] {
        let error = parse(&file(&header, 4)).expect_err(&header);
        assert_eq!(error.field(), field, "{header}: {error}");
    }
}

#[test]
fn items_smaller_than_a_byte_are_counted_in_bits() {
    let header = r#"{"a":{"dtype":"F6_E2M3","shape":[4],"data_offsets":[0,3]},"b":{"dtype":"F4","shape":[2,1],"data_offsets":[3,4]}}"#;
    parse(&file(header, 4)).unwrap();
}

#[test]
fn a_file_shorter_than_it_was_said_to_be_is_an_error_of_reading() {
    let bytes = std::fs::read(fixtures("ok").join("plain.safetensors")).unwrap();
    for length in [0, 5, 8, 30, 100] {
        let error = SafetensorsHeader::read(&bytes[..length], bytes.len() as u64).unwrap_err();
        assert!(
            matches!(
                error,
                SafetensorsError::Read { .. } | SafetensorsError::Truncated { .. }
            ),
            "{error}"
        );
    }
}

#[test]
fn a_name_that_never_ends_takes_no_memory() {
    let header = format!("{{\"{}", "a".repeat(20 << 20));
    let bytes = file(&header, 0);
    let (outcome, peak) = peak_bytes(|| parse(&bytes));
    assert!(outcome.is_err());
    assert!(peak < 64 << 10, "{peak} bytes");
}

#[test]
fn more_tensors_than_any_model_has_are_refused_in_bounds() {
    use std::fmt::Write as _;
    let mut header = String::from("{");
    for number in 0..140_000 {
        write!(
            header,
            r#""{number}":{{"dtype":"U8","shape":[0],"data_offsets":[0,0]}},"#
        )
        .unwrap();
    }
    header.pop();
    header.push('}');
    let bytes = file(&header, 0);
    let (outcome, peak) = peak_bytes(|| parse(&bytes));
    assert_eq!(outcome.unwrap_err().field(), "header");
    assert!(peak < MEMORY_LIMIT_BYTES, "{peak} bytes");
}

/// Everything that can be asked of a header, none of which may panic, and what must hold of it.
fn ask_everything(bytes: &[u8]) {
    let Ok(header) = parse(bytes) else { return };
    for tensor in header.tensors() {
        assert!(tensor.offset_bytes + tensor.size_bytes <= bytes.len() as u64);
        assert_eq!(
            tensor.element_count() * tensor.dtype.bits(),
            tensor.size_bytes * 8
        );
        assert_eq!(header.tensor(&tensor.name), Some(tensor));
    }
    let data: u64 = header.tensors().iter().map(|tensor| tensor.size_bytes).sum();
    assert_eq!(header.data_offset_bytes + data, bytes.len() as u64);
}

/// What a header may cost: what it holds, some of it twice while a list grows, and a read buffer.
fn expect_bounded(bytes: &[u8]) {
    let ((), peak) = peak_bytes(|| ask_everything(bytes));
    assert!(
        peak < 64 * 1024 + 16 * bytes.len(),
        "{peak} bytes for a file of {}",
        bytes.len()
    );
}

/// Text of the words a header is made of, in any order.
fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(vec![
        "{",
        "}",
        "[",
        "]",
        ",",
        ":",
        "\"",
        "\\",
        "\"a\"",
        "\"b\"",
        "\"dtype\"",
        "\"shape\"",
        "\"data_offsets\"",
        "\"U8\"",
        "\"F16\"",
        "\"__metadata__\"",
        "0",
        "1",
        "4",
        "-1",
        "1e9",
        "18446744073709551615",
        " ",
        "null",
        "{\"dtype\":\"U8\",\"shape\":[4],\"data_offsets\":[0,4]}",
    ]);
    prop::collection::vec(word, 0..40).prop_map(|words| words.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn random_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
        expect_bounded(&bytes);
    }

    #[test]
    fn random_headers_never_panic(header in words(), object in any::<bool>()) {
        let header = if object { format!("{{\"a\":{header}}}") } else { header };
        expect_bounded(&file(&header, 4));
    }

    #[test]
    fn random_changes_to_a_valid_file_never_panic(
        changes in prop::collection::vec((0_usize..384, any::<u8>()), 1..6),
        cut in prop::option::of(0_usize..384),
    ) {
        let mut bytes = std::fs::read(fixtures("ok").join("all-dtypes.safetensors")).unwrap();
        for (place, value) in changes {
            bytes[place] = value;
        }
        bytes.truncate(cut.unwrap_or(bytes.len()));
        expect_bounded(&bytes);
    }

    #[test]
    fn what_was_written_is_read(tensors in prop::collection::btree_map("[ -~é]{1,12}", prop::collection::vec(0_u64..5, 0..4), 0..8)) {
        let mut header = serde_json::Map::new();
        let mut end = 0;
        for (name, shape) in &tensors {
            let begin = end;
            end += shape.iter().product::<u64>() * 4;
            header.insert(name.clone(), serde_json::json!({"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}));
        }
        let bytes = file(&serde_json::Value::Object(header).to_string(), end as usize);
        let read = parse(&bytes).unwrap();
        let read: Vec<_> = read.tensors().iter().map(|tensor| (tensor.name.clone(), tensor.shape.clone())).collect();
        prop_assert_eq!(read, tensors.into_iter().collect::<Vec<_>>());
    }
}
