//! Listings of well-known repositories, and properties of any.

use proptest::prelude::*;

use super::*;

/// `name` or `name=size in MiB`, one a line.
fn listed(lines: &str) -> Vec<ListedFile> {
    let lines = lines.lines().map(str::trim).filter(|line| !line.is_empty());
    let file = |line: &str| {
        let (name, mebibytes) = line.split_once('=').unwrap_or((line, "1"));
        ListedFile {
            name: name.to_owned(),
            size_bytes: Some(mebibytes.parse::<u64>().unwrap() << 20),
            digest: FileDigest::Unknown,
        }
    };
    lines.map(file).collect()
}

#[derive(Default)]
struct Asked<'t> {
    wish: Option<&'t str>,
    memory_gib: Option<u64>,
    texts: &'t [(&'t str, &'t str)],
}

fn try_select<R>(
    lines: &str,
    asked: &Asked<'_>,
    read: impl FnOnce(Result<Selection<'_>, VendorError>) -> R,
) -> R {
    let files = listed(lines);
    let texts = asked
        .texts
        .iter()
        .map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec()));
    let texts = texts.collect();
    let listing = Listing {
        id: "org/repo",
        files: &files,
        texts: &texts,
    };
    let wish = asked.wish.map(|wish| wish.parse().unwrap());
    let machine = Machine {
        memory_bytes: asked.memory_gib.map(|gib| gib << 30),
        disk_available_bytes: None,
    };
    read(select(&listing, wish.as_ref(), &machine))
}

/// The names within the model, and the file that the id names.
fn names(lines: &str, asked: &Asked<'_>) -> (Vec<String>, Option<String>) {
    try_select(lines, asked, |selection| {
        let selection = selection.unwrap();
        let names = selection.files.iter().map(|file| file.name.to_string()).collect();
        (names, selection.file.map(|file| file.to_string()))
    })
}

fn choice(lines: &str, asked: &Asked<'_>) -> String {
    try_select(lines, asked, |selection| selection.unwrap().choice)
}

fn error(lines: &str, asked: &Asked<'_>) -> (&'static str, String) {
    try_select(lines, asked, |selection| {
        let error = selection.unwrap_err();
        (error.reason(), error.to_string())
    })
}

fn wish(wish: &str) -> Asked<'_> {
    Asked {
        wish: Some(wish),
        ..Asked::default()
    }
}

fn memory(gib: u64) -> Asked<'static> {
    Asked {
        memory_gib: Some(gib),
        ..Asked::default()
    }
}

const BARTOWSKI: &str = "
    .gitattributes
    README.md
    Meta-Llama-3.1-8B-Instruct-IQ2_M.gguf=2810
    Meta-Llama-3.1-8B-Instruct-IQ4_XS.gguf=4240
    Meta-Llama-3.1-8B-Instruct-Q2_K.gguf=3030
    Meta-Llama-3.1-8B-Instruct-Q3_K_M.gguf=3830
    Meta-Llama-3.1-8B-Instruct-Q4_0_4_4.gguf=4440
    Meta-Llama-3.1-8B-Instruct-Q4_K_L.gguf=5060
    Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf=4690
    Meta-Llama-3.1-8B-Instruct-Q5_K_M.gguf=5460
    Meta-Llama-3.1-8B-Instruct-Q6_K.gguf=6290
    Meta-Llama-3.1-8B-Instruct-Q8_0.gguf=8140
    Meta-Llama-3.1-8B-Instruct-f32/Meta-Llama-3.1-8B-Instruct-f32-00001-of-00002.gguf=15000
    Meta-Llama-3.1-8B-Instruct-f32/Meta-Llama-3.1-8B-Instruct-f32-00002-of-00002.gguf=15000
    Meta-Llama-3.1-8B-Instruct.imatrix
";
const BARTOWSKI_Q4: &str = "Meta-Llama-3.1-8B-Instruct-Q4_K_M.gguf";

#[test]
fn the_preferred_quantization_that_fits() {
    for gib in [None, Some(16), Some(6)] {
        let asked = Asked {
            memory_gib: gib,
            ..Asked::default()
        };
        let chosen = names(BARTOWSKI, &asked);
        assert_eq!(
            chosen,
            (vec![BARTOWSKI_Q4.to_owned()], Some(BARTOWSKI_Q4.to_owned()))
        );
    }
    let words = choice(BARTOWSKI, &memory(16));
    assert!(
        words.starts_with("Q4_K_M of 4.6 GiB out of 11 models in GGUF, the most preferred"),
        "{words}"
    );
    let chosen = names(BARTOWSKI, &memory(5));
    assert_eq!(
        chosen.1.as_deref(),
        Some("Meta-Llama-3.1-8B-Instruct-Q3_K_M.gguf")
    );
    assert!(choice(BARTOWSKI, &memory(5)).contains("Q4_K_M does not fit"));
    let chosen = names(BARTOWSKI, &memory(1));
    assert_eq!(chosen.1.as_deref(), Some("Meta-Llama-3.1-8B-Instruct-IQ2_M.gguf"));
    assert!(choice(BARTOWSKI, &memory(1)).contains("none fits this machine, and this is the smallest"));
}

#[test]
fn without_the_first_choice_comes_the_next() {
    let repo =
        |labels: &[&str]| -> String { labels.iter().map(|label| format!("m-{label}.gguf\n")).collect() };
    let chosen = |labels: &[&str]| names(&repo(labels), &Asked::default()).1.unwrap();
    assert_eq!(chosen(&["Q8_0", "Q6_K", "Q5_K_M"]), "m-Q5_K_M.gguf");
    assert_eq!(chosen(&["Q6_K", "F16", "Q8_0", "IQ4_XS"]), "m-Q8_0.gguf");
    assert_eq!(chosen(&["IQ4_XS", "Q2_K"]), "m-Q2_K.gguf", "no worker reads IQ");
    assert_eq!(chosen(&["Q4_0_4_4", "IQ4_XS"]), "m-IQ4_XS.gguf");
}

#[test]
fn alternatives_are_all_others_best_first() {
    try_select(BARTOWSKI, &Asked::default(), |selection| {
        let others = selection.unwrap().others;
        assert_eq!(others.len(), 10);
        assert_eq!(others[0].quantization.as_deref(), Some("Q5_K_M"));
        let split = others
            .iter()
            .find(|other| other.quantization.as_deref() == Some("F32"))
            .unwrap();
        assert_eq!(split.size_bytes, Some(30_000 << 20));
        assert!(split.file.as_str().ends_with("f32-00001-of-00002.gguf"));
    });
}

/// Qwen splits the larger ones, and has both in one folder.
const QWEN: &str = "
    LICENSE
    qwen2.5-7b-instruct-fp16-00001-of-00004.gguf
    qwen2.5-7b-instruct-fp16-00002-of-00004.gguf
    qwen2.5-7b-instruct-fp16-00003-of-00004.gguf
    qwen2.5-7b-instruct-fp16-00004-of-00004.gguf
    qwen2.5-7b-instruct-q2_k.gguf
    qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf=3800
    qwen2.5-7b-instruct-q4_k_m-00002-of-00002.gguf=600
";

#[test]
fn split_sets_are_taken_whole_under_the_first_parts_name() {
    let set = |numbers: &[u32]| -> Vec<String> {
        let name = |number| format!("qwen2.5-7b-instruct-q4_k_m-0000{number}-of-00002.gguf");
        numbers.iter().map(name).collect()
    };
    let first = set(&[1]).remove(0);
    let whole = (set(&[1, 2]), Some(first.clone()));
    assert_eq!(names(QWEN, &Asked::default()), whole);
    assert_eq!(names(QWEN, &wish(&first)), whole);
    assert_eq!(names(QWEN, &wish(&set(&[2])[0])), whole, "any part means the set");
    assert_eq!(names(QWEN, &wish("Q4_K_M")), whole, "and so does its label");
    assert_eq!(names(QWEN, &wish("f16")).0.len(), 4);
}

#[test]
fn an_incomplete_set_is_refused_by_the_missing_parts_name() {
    let holed = QWEN.replace("qwen2.5-7b-instruct-fp16-00003-of-00004.gguf", "");
    let missing = "qwen2.5-7b-instruct-fp16-00003-of-00004.gguf";
    let (reason, words) = error(&holed, &wish("qwen2.5-7b-instruct-fp16-00001-of-00004.gguf"));
    assert_eq!(reason, "MODEL_INCOMPLETE");
    assert!(words.contains(missing), "{words}");
    // Another that is whole is taken, and the incomplete one is told.
    let first_gone = QWEN.replace("qwen2.5-7b-instruct-q4_k_m-00001-of-00002.gguf=3800", "");
    try_select(&first_gone, &Asked::default(), |selection| {
        let selection = selection.unwrap();
        assert_eq!(selection.quantization.as_deref(), Some("F16"));
        assert!(
            selection.notes[0].contains("q4_k_m-00001-of-00002.gguf is missing"),
            "{:?}",
            selection.notes
        );
    });
    let only = "m-00001-of-00003.gguf\nm-00003-of-00003.gguf";
    let (reason, words) = error(only, &Asked::default());
    assert_eq!(reason, "MODEL_INCOMPLETE");
    assert!(words.contains("m-00002-of-00003.gguf"), "{words}");
}

#[test]
fn folders_of_quantizations_and_files_beside_models() {
    let unsloth = "
        BF16/Qwen3-30B-A3B-BF16-00001-of-00002.gguf=30000
        BF16/Qwen3-30B-A3B-BF16-00002-of-00002.gguf=28000
        Qwen3-30B-A3B-Q4_K_M.gguf=18000
        Qwen3-30B-A3B-UD-Q4_K_XL.gguf=17000
        imatrix_unsloth.dat
        imatrix.gguf
        mmproj-F16.gguf
        Q8_0/model.gguf=30000
    ";
    assert_eq!(
        names(unsloth, &Asked::default()).1.as_deref(),
        Some("Qwen3-30B-A3B-Q4_K_M.gguf")
    );
    let (within, id) = names(unsloth, &wish("BF16/Qwen3-30B-A3B-BF16-00002-of-00002.gguf"));
    assert_eq!(
        within[0], "Qwen3-30B-A3B-BF16-00001-of-00002.gguf",
        "parts lie side by side"
    );
    assert_eq!(id.as_deref(), Some("BF16/Qwen3-30B-A3B-BF16-00001-of-00002.gguf"));
    assert_eq!(
        names(unsloth, &wish("Q8_0")).1.as_deref(),
        Some("Q8_0/model.gguf")
    );
    let projector = error("mmproj-F16.gguf\nREADME.md", &Asked::default());
    assert_eq!(projector.0, "MODEL_FORMAT_UNSUPPORTED");
}

#[test]
fn thebloke_microsoft_and_a_lone_file() {
    let thebloke = "
        config.json
        llama-2-7b-chat.Q2_K.gguf
        llama-2-7b-chat.Q4_0.gguf
        llama-2-7b-chat.Q4_K_M.gguf
        llama-2-7b-chat.Q8_0.gguf
    ";
    assert_eq!(
        names(thebloke, &Asked::default()).1.as_deref(),
        Some("llama-2-7b-chat.Q4_K_M.gguf")
    );
    let phi = "Phi-3-mini-4k-instruct-fp16.gguf=7600\nPhi-3-mini-4k-instruct-q4.gguf=2200";
    assert_eq!(
        names(phi, &Asked::default()).1.as_deref(),
        Some("Phi-3-mini-4k-instruct-q4.gguf")
    );
    assert_eq!(
        names("a/model.gguf\nREADME.md", &Asked::default()),
        (vec!["model.gguf".to_owned()], Some("a/model.gguf".to_owned()))
    );
    assert_eq!(choice("model.gguf", &Asked::default()), "", "nothing to choose");
}

#[test]
fn two_models_of_one_quantization_are_ambiguous() {
    let both = "llama-3-8b-Q4_K_M.gguf=4700\nllama-3-8b-instruct-Q4_K_M.gguf=4700\nllama-3-8b-Q8_0.gguf";
    let (reason, words) = error(both, &Asked::default());
    assert_eq!(reason, "MODEL_FILE_AMBIGUOUS");
    assert!(
        words.contains("org/repo:llama-3-8b-instruct-Q4_K_M.gguf (4.6 GiB)"),
        "{words}"
    );
    assert_eq!(error(both, &wish("Q4_K_M")).0, "MODEL_FILE_AMBIGUOUS");
    assert_eq!(names(both, &wish("Q8_0")).0.len(), 1);
}

/// Shards, the makers' own layout beside them, and a tokenizer in two formats.
const MISTRAL: &str = "
    README.md
    config.json
    consolidated.safetensors=14000
    generation_config.json
    model-00001-of-00003.safetensors=4900
    model-00002-of-00003.safetensors=4900
    model-00003-of-00003.safetensors=4500
    model.safetensors.index.json
    onnx/model.onnx
    original/params.json
    params.json
    pytorch_model-00001-of-00003.bin=4900
    special_tokens_map.json
    tokenizer.json
    tokenizer.model
    tokenizer.model.v3
    tokenizer_config.json
";
const MISTRAL_INDEX: &str = r#"{"metadata": {}, "weight_map": {
    "a": "model-00001-of-00003.safetensors", "b": "model-00002-of-00003.safetensors",
    "c": "model-00003-of-00003.safetensors"}}"#;

fn with_index<'t>(text: &'t [(&'t str, &'t str)]) -> Asked<'t> {
    Asked {
        texts: text,
        ..Asked::default()
    }
}

#[test]
fn a_language_model_in_safetensors_is_its_shards_configuration_and_tokenizer() {
    let texts = [("model.safetensors.index.json", MISTRAL_INDEX)];
    let expected = [
        "model-00001-of-00003.safetensors",
        "model-00002-of-00003.safetensors",
        "model-00003-of-00003.safetensors",
        "model.safetensors.index.json",
        "config.json",
        "generation_config.json",
        "tokenizer_config.json",
        "special_tokens_map.json",
        "tokenizer.json",
    ];
    assert_eq!(
        wanted_texts(&listed(MISTRAL), None),
        ["model.safetensors.index.json"]
    );
    assert_eq!(names(MISTRAL, &with_index(&texts)).0, expected);
    assert_eq!(
        names(MISTRAL, &Asked::default()).0,
        expected,
        "by names alone, too"
    );
    assert_eq!(
        names(MISTRAL, &with_index(&texts)).1,
        None,
        "the repository's own id"
    );
    assert_eq!(
        names(MISTRAL, &wish("model-00002-of-00003.safetensors")),
        (expected.map(str::to_owned).to_vec(), None)
    );
    let words = choice(MISTRAL, &with_index(&texts));
    for left_out in ["consolidated", "original/", "pickles", "ONNX"] {
        assert!(words.contains(left_out), "{words}");
    }
    let holed = MISTRAL.replace("model-00002-of-00003.safetensors=4900\n", "\n");
    let holed = holed.replace("    model-00002-of-00003.safetensors\n", "");
    for asked in [with_index(&texts), Asked::default()] {
        let (reason, words) = error(&holed, &asked);
        assert_eq!(reason, "MODEL_INCOMPLETE");
        assert!(words.contains("model-00002-of-00003.safetensors"), "{words}");
    }
}

#[test]
fn an_index_that_lies_is_refused() {
    let index = |name: &str| format!(r#"{{"weight_map": {{"a": "{name}"}}}}"#);
    let reason = |name: &str| {
        let text = index(name);
        let texts = [("model.safetensors.index.json", text.as_str())];
        error(MISTRAL, &with_index(&texts)).0
    };
    assert_eq!(reason("../../etc/passwd"), "VENDOR_ANSWER_INVALID");
    assert_eq!(reason("/etc/x.safetensors"), "VENDOR_ANSWER_INVALID");
    assert_eq!(
        reason("pytorch_model-00001-of-00003.bin"),
        "MODEL_FORMAT_UNSUPPORTED"
    );
    assert_eq!(reason("README.md"), "MODEL_FORMAT_UNSUPPORTED");
    assert_eq!(reason("model-00004-of-00003.safetensors"), "MODEL_INCOMPLETE");
    let texts = [("model.safetensors.index.json", "<html>")];
    assert_eq!(error(MISTRAL, &with_index(&texts)).0, "MODEL_FORMAT_UNSUPPORTED");
}

#[test]
fn one_file_and_older_tokenizers() {
    let small = "config.json\nmodel.safetensors=900\ntokenizer.model\nadded_tokens.json\nflax_model.msgpack\nchat_template.jinja";
    let expected = [
        "model.safetensors",
        "config.json",
        "chat_template.jinja",
        "tokenizer.model",
        "added_tokens.json",
    ];
    assert_eq!(names(small, &Asked::default()).0, expected);
    assert_eq!(
        names(small, &wish("model.safetensors")).1,
        None,
        "one id for one model"
    );
    let gpt = "config.json\nmodel.safetensors\nvocab.json\nmerges.txt";
    assert_eq!(names(gpt, &Asked::default()).0[2..], ["vocab.json", "merges.txt"]);
}

#[test]
fn pickles_alone_are_refused_with_the_reason() {
    let old = "config.json\npytorch_model.bin=500\ntokenizer.json";
    let (reason, words) = error(old, &Asked::default());
    assert_eq!(reason, "MODEL_FORMAT_UNSUPPORTED");
    assert!(
        words.contains("pytorch_model.bin") && words.contains("pickle"),
        "{words}"
    );
    assert_eq!(
        error("v1-5.ckpt", &Asked::default()).0,
        "MODEL_FORMAT_UNSUPPORTED"
    );
    assert_eq!(
        error(old, &wish("pytorch_model.bin")).0,
        "MODEL_FORMAT_UNSUPPORTED"
    );
    let makers = "config.json\nconsolidated.safetensors";
    assert!(
        error(makers, &Asked::default())
            .1
            .contains("layout of the model's makers")
    );
    assert!(error("README.md", &Asked::default()).1.contains("README.md"));
    assert_eq!(error("", &Asked::default()).0, "MODEL_FORMAT_UNSUPPORTED");
}

/// Stable Diffusion 1.5 as published: a pipeline in two variants and two formats, and the whole as one file.
const SD15: &str = "
    README.md
    feature_extractor/preprocessor_config.json
    model_index.json
    safety_checker/config.json
    safety_checker/model.fp16.safetensors=600
    safety_checker/model.safetensors=1200
    safety_checker/pytorch_model.bin=1200
    scheduler/scheduler_config.json
    text_encoder/config.json
    text_encoder/model.fp16.safetensors=246
    text_encoder/model.safetensors=492
    text_encoder/pytorch_model.bin=492
    tokenizer/merges.txt
    tokenizer/special_tokens_map.json
    tokenizer/tokenizer_config.json
    tokenizer/vocab.json
    unet/config.json
    unet/diffusion_pytorch_model.bin=3400
    unet/diffusion_pytorch_model.fp16.safetensors=1700
    unet/diffusion_pytorch_model.non_ema.safetensors=3400
    unet/diffusion_pytorch_model.safetensors=3400
    v1-5-pruned-emaonly.ckpt=4200
    v1-5-pruned-emaonly.safetensors=4200
    v1-5-pruned.safetensors=7700
    v1-inference.yaml
    vae/config.json
    vae/diffusion_pytorch_model.fp16.safetensors=167
    vae/diffusion_pytorch_model.safetensors=334
";
const SD15_INDEX: &str = r#"{"_class_name": "StableDiffusionPipeline", "_diffusers_version": "0.6.0",
    "feature_extractor": ["transformers", "CLIPImageProcessor"],
    "safety_checker": ["stable_diffusion", "StableDiffusionSafetyChecker"],
    "scheduler": ["diffusers", "PNDMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"],
    "vae": ["diffusers", "AutoencoderKL"]}"#;

#[test]
fn a_pipeline_is_its_parts_in_one_variant() {
    let texts = [("model_index.json", SD15_INDEX)];
    let expected = [
        "unet/diffusion_pytorch_model.fp16.safetensors",
        "unet/config.json",
        "vae/diffusion_pytorch_model.fp16.safetensors",
        "vae/config.json",
        "text_encoder/model.fp16.safetensors",
        "text_encoder/config.json",
        "scheduler/scheduler_config.json",
        "tokenizer/tokenizer_config.json",
        "tokenizer/special_tokens_map.json",
        "tokenizer/vocab.json",
        "tokenizer/merges.txt",
        "model_index.json",
    ];
    assert_eq!(wanted_texts(&listed(SD15), None), ["model_index.json"]);
    assert_eq!(
        names(SD15, &with_index(&texts)),
        (expected.map(str::to_owned).to_vec(), None)
    );
    assert_eq!(names(SD15, &Asked::default()).0, expected, "by names alone, too");
    assert!(choice(SD15, &with_index(&texts)).contains("fp16"));
    let single = names(SD15, &wish("v1-5-pruned-emaonly.safetensors"));
    assert_eq!(
        single,
        (
            vec!["v1-5-pruned-emaonly.safetensors".to_owned()],
            Some("v1-5-pruned-emaonly.safetensors".to_owned())
        )
    );
    let unet = names(SD15, &wish("unet/diffusion_pytorch_model.fp16.safetensors"));
    assert_eq!(unet.0, ["diffusion_pytorch_model.fp16.safetensors"]);
    assert!(wanted_texts(&listed(SD15), Some(&"v1-5-pruned.safetensors".parse().unwrap())).is_empty());
}

#[test]
fn parts_without_a_variant_or_only_as_pickles() {
    let texts = [("model_index.json", SD15_INDEX)];
    let mixed = SD15.replace("vae/diffusion_pytorch_model.fp16.safetensors=167", "");
    let chosen = names(&mixed, &with_index(&texts)).0;
    assert!(chosen.contains(&"vae/diffusion_pytorch_model.safetensors".to_owned()));
    assert!(
        choice(&mixed, &with_index(&texts))
            .contains("fp16 variant of unet, text_encoder, the plain one of vae")
    );
    let plain = SD15
        .lines()
        .filter(|line| !line.contains("fp16"))
        .collect::<Vec<_>>()
        .join("\n");
    let chosen = names(&plain, &with_index(&texts)).0;
    assert_eq!(
        chosen[0], "unet/diffusion_pytorch_model.safetensors",
        "not the one for training on"
    );
    let pickled = plain
        .lines()
        .filter(|line| !line.contains("text_encoder/model.safe"))
        .collect::<Vec<_>>()
        .join("\n");
    let (reason, words) = error(&pickled, &with_index(&texts));
    assert_eq!(reason, "MODEL_FORMAT_UNSUPPORTED");
    assert!(words.contains("text_encoder/pytorch_model.bin"), "{words}");
    let bare = SD15.replace("    vae/config.json\n", "");
    assert!(error(&bare, &with_index(&texts)).1.contains("vae/config.json"));
    let flux = r#"{"_class_name": "FluxPipeline", "vae": ["diffusers", "AutoencoderKL"]}"#;
    let (reason, words) = error(SD15, &with_index(&[("model_index.json", flux)]));
    assert_eq!(reason, "MODEL_FORMAT_UNSUPPORTED");
    assert!(words.contains("FluxPipeline"), "{words}");
}

#[test]
fn a_variant_in_shards_gets_an_index_where_readers_look_for_it() {
    let sharded = "
        model_index.json
        scheduler/scheduler_config.json
        unet/config.json
        unet/diffusion_pytorch_model.fp16-00001-of-00002.safetensors
        unet/diffusion_pytorch_model.fp16-00002-of-00002.safetensors
        unet/diffusion_pytorch_model.safetensors.index.fp16.json
    ";
    let (chosen, _) = names(sharded, &Asked::default());
    assert_eq!(
        chosen[..3],
        [
            "unet/diffusion_pytorch_model.fp16-00001-of-00002.safetensors",
            "unet/diffusion_pytorch_model.fp16-00002-of-00002.safetensors",
            "unet/diffusion_pytorch_model.safetensors.index.json",
        ]
    );
    assert_eq!(wanted_texts(&listed(sharded), None).len(), 2);
}

#[test]
fn parts_adapters_and_single_checkpoints() {
    let vae =
        "config.json\ndiffusion_pytorch_model.safetensors\ndiffusion_pytorch_model.bin\nsdxl_vae.safetensors";
    assert_eq!(
        names(vae, &Asked::default()),
        (
            vec![
                "diffusion_pytorch_model.safetensors".to_owned(),
                "config.json".to_owned()
            ],
            None
        )
    );
    let peft = "adapter_config.json\nadapter_model.safetensors\nREADME.md";
    assert_eq!(
        names(peft, &Asked::default()).0,
        ["adapter_model.safetensors", "adapter_config.json"]
    );
    let lora = "README.md\npytorch_lora_weights.safetensors\nimage.png";
    assert_eq!(
        names(lora, &Asked::default()).1.as_deref(),
        Some("pytorch_lora_weights.safetensors")
    );
    let several = "a.safetensors=2000\nb.safetensors=2000";
    let (reason, words) = error(several, &Asked::default());
    assert_eq!(reason, "MODEL_FILE_AMBIGUOUS");
    assert!(
        words.contains("org/repo:a.safetensors (2.0 GiB), org/repo:b.safetensors"),
        "{words}"
    );
    try_select(several, &wish("a.safetensors"), |selection| {
        let others = selection.unwrap().others;
        assert_eq!(others.len(), 1);
        assert_eq!(others[0].file.as_str(), "b.safetensors");
    });
    let part = "weights-00001-of-00002.safetensors\nweights-00002-of-00002.safetensors";
    assert!(
        error(part, &wish("weights-00001-of-00002.safetensors"))
            .1
            .contains("one part of several")
    );
    assert!(error(part, &Asked::default()).1.contains("no index says of what"));
    assert_eq!(
        names("weights-00001-of-00001.safetensors", &Asked::default())
            .0
            .len(),
        1
    );
}

#[test]
fn what_an_id_names_must_be_there_and_be_a_model() {
    let (reason, words) = error(BARTOWSKI, &wish("none.gguf"));
    assert_eq!(reason, "MODEL_NOT_AT_VENDOR");
    assert!(words.contains("Meta-Llama-3.1-8B-Instruct-IQ2_M.gguf"), "{words}");
    assert_eq!(error(BARTOWSKI, &wish("Q5_0")).0, "MODEL_NOT_AT_VENDOR");
    assert_eq!(error(BARTOWSKI, &wish("README.md")).0, "MODEL_FORMAT_UNSUPPORTED");
}

#[test]
fn sizes_that_cannot_be_and_names_that_differ_in_case() {
    let huge = format!("m.gguf={}", 17 << 20);
    assert_eq!(error(&huge, &Asked::default()).0, "VENDOR_ANSWER_INVALID");
    let index = r#"{"weight_map": {"a": "Model-a.safetensors", "b": "model-A.safetensors"}}"#;
    let twice =
        "config.json\nmodel.safetensors.index.json\nModel-a.safetensors\nmodel-A.safetensors\ntokenizer.json";
    let texts = [("model.safetensors.index.json", index)];
    let (reason, words) = error(twice, &with_index(&texts));
    assert_eq!(reason, "VENDOR_ANSWER_INVALID");
    assert!(words.contains("but for case"), "{words}");
}

fn any_name() -> impl Strategy<Value = String> {
    let parts = prop::sample::select(vec![
        "m",
        "..",
        "/",
        "-00001-of-00002",
        "-00002-of-00002",
        "-Q4_K_M",
        "-q8_0",
        ".gguf",
        ".safetensors",
        "model",
        "model_index.json",
        "config.json",
        "unet/",
        "diffusion_pytorch_model",
        ".fp16",
        ".bin",
        ".index.json",
        "\\",
        "A",
        "tokenizer.json",
        "é",
    ]);
    prop::collection::vec(parts, 1..5).prop_map(|parts| parts.concat())
}

proptest! {
    /// Whatever a hub lists, what is chosen is of the listing, safe, free of pickles, whole, and the same again
    /// under the id that it gets.
    #[test]
    fn what_is_chosen_is_safe_and_has_one_id(
        names in prop::collection::btree_set(any_name(), 0..12),
        sizes in prop::collection::vec(prop::option::of(0_u64..1 << 34), 12),
        memory_gib in prop::option::of(0_u64..32),
    ) {
        let files: Vec<ListedFile> = names
            .into_iter()
            .zip(sizes)
            .map(|(name, size_bytes)| ListedFile { name, size_bytes, digest: FileDigest::Unknown })
            .collect();
        let texts = BTreeMap::new();
        let listing = Listing { id: "org/repo", files: &files, texts: &texts };
        let machine = Machine { memory_bytes: memory_gib.map(|gib| gib << 30), disk_available_bytes: None };
        let Ok(selection) = select(&listing, None, &machine) else { return Ok(()) };
        prop_assert!(!selection.files.is_empty());
        for chosen in &selection.files {
            prop_assert!(files.contains(chosen.file));
            prop_assert!(chosen.name.as_str().parse::<RelativePath>().is_ok());
            prop_assert!(!is_pickle(&chosen.file.name));
        }
        if let Some(part) = selection.files.first().and_then(|first| names::part(&first.file.name))
            && selection.arrangement == Arrangement::Gguf
        {
            prop_assert_eq!(selection.files.len(), part.count as usize);
        }
        if let Some(file) = &selection.file {
            let again = select(&listing, Some(file), &machine).unwrap();
            prop_assert_eq!(&again.files, &selection.files);
            prop_assert_eq!(&again.file, &selection.file);
        }
        for other in &selection.others {
            prop_assert!(select(&listing, Some(&other.file), &machine).is_ok() || other.size_bytes.is_none());
        }
        let _ = wanted_texts(&files, None);
    }
}
