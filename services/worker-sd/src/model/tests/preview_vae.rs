//! The preview VAE, against diffusers' AutoencoderTiny.

use std::path::Path;

use candle_core::Device;

use super::fixtures::assert_near;
use crate::model::{LoadError, LoadOptions, PreviewVae};

fn folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/sd")
}

#[test]
fn a_preview_vae_of_either_layout_decodes_as_the_reference_does() {
    let here = folder().join("preview-vae");
    let golden = candle_core::safetensors::load(here.join("golden.safetensors"), &Device::Cpu).unwrap();
    for layout in ["decoder.safetensors", "diffusers"] {
        let vae = PreviewVae::load(&here.join(layout), &LoadOptions::default()).unwrap();
        for case in ["small", "beyond"] {
            let picture = vae
                .decode(&golden[&format!("{case}.latents")], &|| false)
                .unwrap();
            let right = &golden[&format!("{case}.picture")];
            assert_near(&format!("{layout} {case}"), &picture, right, 2e-5);
        }
    }
}

#[test]
fn what_is_none_is_refused() {
    let load = |path: &Path| PreviewVae::load(path, &LoadOptions::default()).unwrap_err();
    let lora = load(&folder().join("sd15-tiny/lora.safetensors"));
    assert!(matches!(lora, LoadError::WrongKind { .. }), "{lora:?}");
    let whole = std::fs::read(folder().join("preview-vae/decoder.safetensors")).unwrap();
    let scratch = tempfile::tempdir().unwrap();
    let written = |bytes: &[u8]| {
        let path = scratch.path().join("file.safetensors");
        std::fs::write(&path, bytes).unwrap();
        load(&path)
    };
    // Under other numbers of the same length a layer is missed out, so that it enlarges once more.
    let text = String::from_utf8_lossy(&whole[8..4000]).into_owned();
    assert!(text.contains("\"15.conv.0.weight\"") && text.contains("\"16.weight\""));
    let mut moved = whole.clone();
    for name in ["\"16.weight\"", "\"16.bias\""] {
        let place = moved
            .windows(name.len())
            .position(|some| some == name.as_bytes())
            .unwrap();
        moved[place + 2] = b'7';
    }
    let error = written(&moved);
    let LoadError::Model { source, .. } = &error else {
        panic!("{error:?}")
    };
    assert!(source.to_string().contains("enlarge 4 times"), "{source}");
    assert!(matches!(
        written(&whole[..whole.len() - 7]),
        LoadError::Model { .. }
    ));
}
