//! Filters of lists.

use std::collections::BTreeSet;

use rbee_artifacts::{AddOnKind, StableDiffusionVersion, Vendor};
use rbee_proto::catalog::v1 as catalog;
use rbee_proto::types::v1 as wire;
use rbee_wire::{
    add_on_kind_to_wire, stable_diffusion_version_to_wire, vendor_to_wire, worker_type_from_wire,
};

use crate::domain::filter::{MAX_TEXT_BYTES, ModelFilter, ModelKind, ModelState, Words};
use crate::domain::limits::{self, InvalidField};

/// Reads which models are wanted. What is unspecified wants no model in particular.
pub(in crate::grpc) fn filter_from_wire(filter: catalog::ModelFilter) -> Result<ModelFilter, InvalidField> {
    let kind = |kind| match kind {
        ModelKind::Llm => catalog::ModelKind::Llm.into(),
        ModelKind::StableDiffusion => catalog::ModelKind::StableDiffusion.into(),
        ModelKind::AddOn => catalog::ModelKind::AddOn.into(),
    };
    let vendor = |vendor| vendor_to_wire(vendor).into();
    let state = |state| match state {
        ModelState::Available => wire::ModelState::Available.into(),
        ModelState::Downloading => wire::ModelState::Downloading.into(),
        ModelState::Failed => wire::ModelState::Failed.into(),
    };
    let add_on = |kind| add_on_kind_to_wire(kind).into();
    let version = |version| stable_diffusion_version_to_wire(version).into();
    let text = limits::text("filter.text", filter.text, MAX_TEXT_BYTES)?;
    Ok(ModelFilter {
        kinds: set("filter.kinds", &filter.kinds, ModelKind::ALL, kind)?,
        vendors: set("filter.vendors", &filter.vendors, Vendor::ALL, vendor)?,
        states: set("filter.states", &filter.states, ModelState::ALL, state)?,
        add_on_kinds: set(
            "filter.add_on_kinds",
            &filter.add_on_kinds,
            AddOnKind::ALL,
            add_on,
        )?,
        add_on_base: value(
            "filter.add_on_base",
            filter.add_on_base,
            StableDiffusionVersion::ALL,
            version,
        )?,
        worker_type: worker_type_from_wire("filter.worker_type", filter.worker_type)?,
        words: Words::of(&text),
    })
}

/// The value of an enum that a number stands for; `None` for the unspecified one.
fn value<T: Copy>(
    field: impl Into<String>,
    number: i32,
    all: &[T],
    number_of: impl Fn(T) -> i32,
) -> Result<Option<T>, InvalidField> {
    if number == 0 {
        return Ok(None);
    }
    match all.iter().find(|value| number_of(**value) == number) {
        Some(value) => Ok(Some(*value)),
        None => Err(InvalidField::new(
            field,
            format!("{number} is no value that this version knows"),
        )),
    }
}

fn set<T: Copy + Ord>(
    field: &str,
    numbers: &[i32],
    all: &[T],
    number_of: impl Fn(T) -> i32,
) -> Result<BTreeSet<T>, InvalidField> {
    let mut values = BTreeSet::new();
    for (index, number) in numbers.iter().enumerate() {
        values.extend(value(format!("{field}[{index}]"), *number, all, &number_of)?);
    }
    Ok(values)
}

#[cfg(test)]
mod tests {
    use rbee_artifacts::WorkerType;

    use super::*;

    #[test]
    fn what_is_unspecified_wants_everything() {
        let unspecified = catalog::ModelFilter {
            kinds: vec![0],
            vendors: vec![0, 0],
            text: "  ".into(),
            ..catalog::ModelFilter::default()
        };
        for filter in [catalog::ModelFilter::default(), unspecified] {
            assert!(filter_from_wire(filter).unwrap().is_everything());
        }
    }

    #[test]
    fn every_value_is_read() {
        let filter = catalog::ModelFilter {
            kinds: vec![3, 1, 2, 1],
            vendors: vec![1, 2, 3],
            states: vec![1, 2, 3],
            text: "Qwen q4_k_m".into(),
            add_on_kinds: (1..=6).collect(),
            add_on_base: wire::StableDiffusionVersion::XlTurbo.into(),
            worker_type: wire::WorkerType::CpuLlm.into(),
        };
        let filter = filter_from_wire(filter).unwrap();
        assert_eq!(filter.kinds, ModelKind::ALL.iter().copied().collect());
        assert_eq!(filter.vendors.len(), 3);
        assert_eq!(filter.states, ModelState::ALL.iter().copied().collect());
        assert_eq!(filter.add_on_kinds, AddOnKind::ALL.iter().copied().collect());
        assert_eq!(filter.add_on_base, Some(StableDiffusionVersion::XlTurbo));
        assert_eq!(filter.worker_type, Some(WorkerType::CpuLlm));
        assert_eq!(filter.words, Words::of("Q4_K_M qwen"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        let broken = |change: fn(&mut catalog::ModelFilter)| {
            let mut filter = catalog::ModelFilter::default();
            change(&mut filter);
            filter_from_wire(filter).unwrap_err().field
        };
        assert_eq!(broken(|filter| filter.kinds = vec![1, 9]), "filter.kinds[1]");
        assert_eq!(broken(|filter| filter.vendors = vec![-1]), "filter.vendors[0]");
        assert_eq!(broken(|filter| filter.states = vec![4]), "filter.states[0]");
        assert_eq!(
            broken(|filter| filter.add_on_kinds = vec![7]),
            "filter.add_on_kinds[0]"
        );
        assert_eq!(broken(|filter| filter.add_on_base = 77), "filter.add_on_base");
        assert_eq!(broken(|filter| filter.worker_type = 77), "filter.worker_type");
        assert_eq!(broken(|filter| filter.text = "x".repeat(257)), "filter.text");
        assert_eq!(broken(|filter| filter.text = "a\u{7}".into()), "filter.text");
    }
}
