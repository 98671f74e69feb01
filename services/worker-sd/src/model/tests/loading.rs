//! What loads, and how what does not is refused.

use super::fixtures::folder;
use crate::model::{LoadOptions, Model};

#[test]
fn a_unet_alone_takes_the_rest_from_its_companion() {
    let path = folder().join("sd15-inpaint-tiny/model.safetensors");
    let alone = Model::load(&path, &LoadOptions::default(), &mut |_| {}).unwrap_err();
    assert!(
        format!("{alone:?}").contains("nothing is generated without it"),
        "{alone:?}"
    );
    let options = LoadOptions {
        companion: Some(folder().join("sd15-tiny/model.safetensors")),
        ..LoadOptions::default()
    };
    let model = Model::load(&path, &options, &mut |_| {}).unwrap();
    assert_eq!(model.spec().unet_in_channels, 9);
}
