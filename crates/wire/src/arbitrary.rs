//! Arbitrary values of the domain, for the round trips.

use jiff::Timestamp;
use proptest::collection::{btree_map, vec};
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;
use rbee_artifacts::{
    AddOnKind, ModelEntry, ModelFile, ModelId, ModelStatus, ModelType, Platform, Sha256,
    StableDiffusionVersion, WorkerBinary, WorkerBinaryId, WorkerType,
};

pub(crate) fn any_timestamp() -> impl Strategy<Value = Timestamp> {
    (Timestamp::MIN.as_nanosecond()..=Timestamp::MAX.as_nanosecond())
        .prop_map(|nanoseconds| Timestamp::from_nanosecond(nanoseconds).unwrap())
}

pub(crate) fn any_platform() -> impl Strategy<Value = Platform> {
    ("[a-z0-9_]{1,16}", "[a-z0-9_]{1,16}").prop_map(|(os, arch)| Platform::new(os, arch).unwrap())
}

pub(crate) fn any_worker_binary() -> impl Strategy<Value = WorkerBinary> {
    let worker_type = select(WorkerType::ALL);
    let fields = (
        worker_type,
        ".{0,12}",
        any_platform(),
        any::<u64>(),
        any_sha256(),
        any_timestamp(),
        ".{0,12}",
    );
    fields.prop_map(
        |(worker_type, version, platform, size_bytes, sha256, added_at, source)| WorkerBinary {
            id: WorkerBinaryId::derive(worker_type, &version, &platform, &sha256),
            worker_type,
            version,
            platform,
            size_bytes,
            sha256,
            added_at,
            source,
        },
    )
}

/// Any entry, also such as the catalog would not take: the wire carries what the types can hold.
pub(crate) fn any_model() -> impl Strategy<Value = ModelEntry> {
    let identity = (any_model_id(), ".{0,20}", any_timestamp());
    let contents = (any::<u64>(), vec(any_file(), 0..4));
    let state = (any_status(), any_model_type());
    let facts = (
        option::of(".{0,8}"),
        option::of(any::<u64>()),
        option::of(any::<u64>()),
        btree_map(".{0,8}", ".{0,8}", 0..4),
    );
    (identity, contents, state, facts).prop_map(|(identity, contents, state, facts)| {
        let (id, name, added_at) = identity;
        let (size_bytes, files) = contents;
        let (status, model_type) = state;
        let (quantization, context_length, parameter_count, metadata) = facts;
        ModelEntry {
            id,
            name,
            size_bytes,
            status,
            added_at,
            model_type,
            quantization,
            context_length,
            parameter_count,
            metadata,
            files,
        }
    })
}

fn any_model_id() -> impl Strategy<Value = ModelId> {
    let text = prop_oneof![
        "[A-Za-z][A-Za-z0-9]{0,8}/[A-Za-z][A-Za-z0-9]{0,8}(@[a-z]{1,8})?(:[a-z]{1,8}\\.gguf)?",
        (1_u64..).prop_map(|version| format!("civitai:{version}")),
        "local:[a-z][a-z0-9]{0,12}",
    ];
    text.prop_map(|text| text.parse().unwrap())
}

fn any_file() -> impl Strategy<Value = ModelFile> {
    let name = "[a-zA-Z0-9é+#%]{1,8}(/[a-z0-9_-]{1,8}){0,2}";
    (name, any::<u64>(), any_sha256()).prop_map(|(name, size_bytes, sha256)| ModelFile {
        name: name.parse().unwrap(),
        size_bytes,
        sha256,
    })
}

fn any_sha256() -> impl Strategy<Value = Sha256> {
    any::<[u8; 32]>().prop_map(Sha256::from)
}

fn any_status() -> impl Strategy<Value = ModelStatus> {
    prop_oneof![
        Just(ModelStatus::Available),
        Just(ModelStatus::Downloading),
        ".{0,20}".prop_map(|error| ModelStatus::Failed { error }),
    ]
}

fn any_model_type() -> impl Strategy<Value = ModelType> {
    let version = || select(StableDiffusionVersion::ALL);
    prop_oneof![
        ".{0,12}".prop_map(|architecture| ModelType::Llm { architecture }),
        version().prop_map(|version| ModelType::StableDiffusion { version }),
        (select(AddOnKind::ALL), option::of(version()))
            .prop_map(|(add_on, base)| ModelType::AddOn { add_on, base }),
    ]
}
