//! Builds whole safetensors files from the headers that `fixtures/extract_headers.py` kept: the data are
//! holes in the file, but for the tensors whose bytes were kept.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use rbee_artifacts::safetensors::Dtype;
use serde::Deserialize;

#[derive(Deserialize)]
struct Kept {
    metadata: BTreeMap<String, String>,
    tensors: Vec<(String, String, Vec<u64>)>,
    data: BTreeMap<String, String>,
}

/// The folder of this name in the repository's fixtures.
pub(crate) fn fixtures(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../fixtures")
        .join(folder)
}

/// An empty folder for one test.
pub(crate) fn scratch(test: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(test);
    if folder.exists() {
        fs::remove_dir_all(&folder).unwrap();
    }
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// Copies a folder of kept headers to `to`, each header as the whole file.
pub(crate) fn build_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if path.is_dir() {
            build_folder(&path, &to.join(name));
        } else if let Some(name) = name.strip_suffix(".safetensors.json") {
            build_file(&path, &to.join(format!("{name}.safetensors")));
        } else {
            fs::write(to.join(name), fs::read(&path).unwrap()).unwrap();
        }
    }
}

fn build_file(from: &Path, to: &Path) {
    let kept: Kept = serde_json::from_slice(&fs::read(from).unwrap()).unwrap();
    let mut header = serde_json::Map::new();
    if !kept.metadata.is_empty() {
        header.insert(
            "__metadata__".to_owned(),
            serde_json::to_value(&kept.metadata).unwrap(),
        );
    }
    let mut end = 0;
    let mut data = Vec::new();
    for (name, dtype, shape) in kept.tensors {
        let begin = end;
        end += shape.iter().product::<u64>() * Dtype::from_name(&dtype).unwrap().bits() / 8;
        if let Some(bytes) = kept.data.get(&name) {
            data.push((begin, hex::decode(bytes).unwrap()));
        }
        header.insert(
            name,
            serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [begin, end]}),
        );
    }
    let header = serde_json::to_vec(&header).unwrap();
    let data_offset = 8 + header.len() as u64;
    let mut file = fs::File::create(to).unwrap();
    file.write_all(&(header.len() as u64).to_le_bytes()).unwrap();
    file.write_all(&header).unwrap();
    for (begin, bytes) in data {
        file.seek(SeekFrom::Start(data_offset + begin)).unwrap();
        file.write_all(&bytes).unwrap();
    }
    file.set_len(data_offset + end).unwrap();
}
