//! Files of weights made of the fixtures.

use serde_json::{Map, Value, json};

/// A safetensors file of these tensors: names, types and shapes, and their bytes.
fn file(tensors: &[(String, Value, Vec<u8>)]) -> Vec<u8> {
    let mut header = Map::new();
    let mut data = Vec::new();
    for (name, entry, bytes) in tensors {
        let mut entry = entry.clone();
        entry["data_offsets"] = json!([data.len(), data.len() + bytes.len()]);
        header.insert(name.clone(), entry);
        data.extend_from_slice(bytes);
    }
    let header = serde_json::to_vec(&header).unwrap();
    let length = (header.len() as u64).to_le_bytes();
    [&length[..], &header, &data].concat()
}

/// The tensors of a file whose names begin with `prefix`, as a file of their own.
pub(crate) fn part(whole: &[u8], prefix: &str) -> Vec<u8> {
    let length = u64::from_le_bytes(whole[..8].try_into().unwrap()) as usize;
    let header: Map<String, Value> = serde_json::from_slice(&whole[8..8 + length]).unwrap();
    let mut tensors = Vec::new();
    for (name, entry) in header {
        if name.starts_with(prefix) {
            let at = |index: usize| 8 + length + entry["data_offsets"][index].as_u64().unwrap() as usize;
            let bytes = whole[at(0)..at(1)].to_vec();
            tensors.push((name, entry, bytes));
        }
    }
    assert!(!tensors.is_empty(), "nothing begins with {prefix}");
    file(&tensors)
}

/// An embedding of vectors of this width.
pub(crate) fn embedding(vectors: usize, width: usize) -> Vec<u8> {
    let number = |index: usize| ((index * 37 % 64) as f32 - 32.0) / 16.0;
    let bytes = (0..vectors * width).flat_map(|index| number(index).to_le_bytes());
    let entry = json!({"dtype": "F32", "shape": [vectors, width]});
    file(&[("emb_params".to_owned(), entry, bytes.collect())])
}

/// How wide the words of a model's first text encoder are.
pub(crate) fn word_width(model: &[u8]) -> usize {
    let length = u64::from_le_bytes(model[..8].try_into().unwrap()) as usize;
    let header: Value = serde_json::from_slice(&model[8..8 + length]).unwrap();
    let name = "cond_stage_model.transformer.text_model.embeddings.token_embedding.weight";
    header[name]["shape"][1].as_u64().unwrap() as usize
}
