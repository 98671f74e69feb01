//! `rbee model`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use rbee_proto::catalog::v1::{ModelFilter, ModelKind};
use rbee_proto::provisioner::v1::ImportMode;
use rbee_proto::types::v1::{AddOnKind, ModelState, StableDiffusionVersion, Vendor, WorkerType};

use super::hub::{BaseArg, SearchArgs};
use super::worker::WorkerTypeArg;

const PULL_EXAMPLES: &str = "\
Examples:
  rbee model pull Qwen/Qwen2.5-0.5B-Instruct-GGUF              the file that suits this cluster best
  rbee model pull org/repo:model-Q8_0.gguf                     that file
  rbee model pull org/repo@v1.0:model-Q8_0.gguf                of that branch, tag or commit
  rbee model pull civitai:128713                               a version of a CivitAI model
  id=$(rbee model pull org/repo --detach); rbee job watch $id

Ctrl-C leaves the download alone: it goes on, also when the server is restarted meanwhile.
`rbee job cancel ID` ends it; pulling again goes on where it was.";

const LS_EXAMPLES: &str = "\
Examples:
  rbee model ls qwen coder             with both words in id, name, architecture or quantization
  rbee model ls --type llm --vendor hf
  rbee model ls --add-on lora --base xl
  rbee model ls --worker cuda-sd       what such a worker can serve";

const IMPORT_EXAMPLES: &str = "\
Examples:
  rbee model import ./qwen.gguf                  becomes local:qwen
  rbee model import ./qwen.gguf --name coder     becomes local:coder
  rbee model import ./sdxl-folder --in-place     a folder of transformers or diffusers, used where it is";

/// About models.
#[derive(Debug, Subcommand)]
pub(crate) enum ModelCommand {
    /// Download a model from Hugging Face or CivitAI
    #[command(after_help = PULL_EXAMPLES)]
    Pull(PullArgs),
    /// Say what `pull` would fetch: files, sizes, licence, and whether it fits
    Resolve {
        /// Model id, such as `org/repo`, `org/repo:file.gguf` or `civitai:123456`
        #[arg(value_name = "REF")]
        id: String,
    },
    /// Search Hugging Face or CivitAI
    Search(SearchArgs),
    /// Bring in a model file or folder that lies on the server's host
    #[command(after_help = IMPORT_EXAMPLES)]
    Import(ImportArgs),
    /// List the models
    #[command(visible_alias = "list", after_help = LS_EXAMPLES)]
    Ls(ListArgs),
    /// Show all that is known of a model
    Show {
        /// Model id, such as `local:qwen`
        id: String,
    },
    /// Remove models from the catalog; `gc` then frees the disk
    Rm {
        /// Model ids
        #[arg(required = true, value_name = "ID")]
        ids: Vec<String>,
        /// Don't ask first
        #[arg(long, short)]
        yes: bool,
    },
    /// Read the files of models anew and compare them with their checksums
    Verify {
        /// Model ids [default: all]
        #[arg(value_name = "ID")]
        ids: Vec<String>,
        /// Print the job's id and leave it to its work
        #[arg(long)]
        detach: bool,
    },
    /// Free the disk of files that no model and no worker program needs any more
    Gc(GcArgs),
}

/// Which model to download.
#[derive(Debug, Args)]
pub(crate) struct PullArgs {
    /// Model id, such as `org/repo`, `org/repo:file.gguf` or `civitai:123456`
    #[arg(value_name = "REF")]
    pub(crate) id: String,
    /// Print the job's id and leave it to its work
    #[arg(long)]
    pub(crate) detach: bool,
}

/// Which files to free.
#[derive(Debug, Args)]
pub(crate) struct GcArgs {
    /// Only say what would be removed
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Only what has not changed for this long, such as `30m` or `2d` [default: 1h]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) older_than: Option<std::time::Duration>,
}

/// Which file or folder, and how it gets into the store.
#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// The file (GGUF, safetensors), or a folder in the layout of transformers or diffusers
    pub(crate) path: PathBuf,
    /// Name to give it; the model's id becomes `local:NAME` [default: that of the file]
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Always copy (by default files are hard-linked where that is possible)
    #[arg(long, group = "how")]
    pub(crate) copy: bool,
    /// Hard-link, or fail
    #[arg(long, visible_alias = "hard-link", group = "how")]
    pub(crate) link: bool,
    /// Use the files where they are: they must stay there unchanged
    #[arg(long, group = "how")]
    pub(crate) in_place: bool,
    /// Print the job's id and leave it to its work
    #[arg(long)]
    pub(crate) detach: bool,
}

impl ImportArgs {
    /// How the files get into the store, in the contract's words.
    pub(crate) fn mode(&self) -> ImportMode {
        match (self.copy, self.link, self.in_place) {
            (true, ..) => ImportMode::Copy,
            (_, true, _) => ImportMode::HardLink,
            (_, _, true) => ImportMode::InPlace,
            _ => ImportMode::Unspecified,
        }
    }
}

/// Which models to list. All that is said must hold; of an option that is given several times,
/// one of its values.
#[derive(Debug, Default, Args)]
pub(crate) struct ListArgs {
    /// Words in id, name, architecture, quantization or base model
    #[arg(value_name = "WORD")]
    pub(crate) words: Vec<String>,
    /// What kind of model
    #[arg(long = "type", value_enum, value_name = "KIND")]
    pub(crate) kinds: Vec<ModelKindArg>,
    /// Add-ons of this kind
    #[arg(long = "add-on", value_enum, value_name = "KIND")]
    pub(crate) add_ons: Vec<AddOnArg>,
    /// Add-ons that go with this generation of Stable Diffusion
    #[arg(long, value_enum, value_name = "VERSION")]
    pub(crate) base: Option<BaseArg>,
    /// Where they come from
    #[arg(long = "vendor", value_enum, value_name = "VENDOR")]
    pub(crate) vendors: Vec<VendorArg>,
    /// Whether they can be used
    #[arg(long = "state", value_enum, value_name = "STATE")]
    pub(crate) states: Vec<ModelStateArg>,
    /// What a worker of this type can serve
    #[arg(long, value_enum, value_name = "TYPE")]
    pub(crate) worker: Option<WorkerTypeArg>,
}

impl ListArgs {
    /// In the contract's words; absent if nothing was said.
    pub(crate) fn filter(&self) -> Option<ModelFilter> {
        let filter = ModelFilter {
            kinds: self
                .kinds
                .iter()
                .map(|kind| ModelKind::from(*kind) as i32)
                .collect(),
            vendors: self
                .vendors
                .iter()
                .map(|vendor| Vendor::from(*vendor) as i32)
                .collect(),
            states: self
                .states
                .iter()
                .map(|state| ModelState::from(*state) as i32)
                .collect(),
            text: self.words.join(" "),
            add_on_kinds: self
                .add_ons
                .iter()
                .map(|kind| AddOnKind::from(*kind) as i32)
                .collect(),
            add_on_base: self
                .base
                .map_or(StableDiffusionVersion::Unspecified, StableDiffusionVersion::from)
                as i32,
            worker_type: self.worker.map_or(WorkerType::Unspecified, WorkerType::from) as i32,
        };
        (filter != ModelFilter::default()).then_some(filter)
    }
}

/// The kinds of model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelKindArg {
    /// Large language models
    Llm,
    /// Stable Diffusion models
    #[value(alias = "stable-diffusion")]
    Sd,
    /// What is used with a Stable Diffusion model: LoRAs, VAEs, embeddings, ControlNets
    AddOn,
}

impl From<ModelKindArg> for ModelKind {
    fn from(argument: ModelKindArg) -> Self {
        match argument {
            ModelKindArg::Llm => Self::Llm,
            ModelKindArg::Sd => Self::StableDiffusion,
            ModelKindArg::AddOn => Self::AddOn,
        }
    }
}

/// The kinds of add-on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AddOnArg {
    /// LoRAs and their relatives
    Lora,
    /// VAEs
    Vae,
    /// Small VAEs for previews
    PreviewVae,
    /// Textual-inversion embeddings
    Embedding,
    /// ControlNets
    Controlnet,
    /// Text encoders
    TextEncoder,
}

impl From<AddOnArg> for AddOnKind {
    fn from(argument: AddOnArg) -> Self {
        match argument {
            AddOnArg::Lora => Self::Lora,
            AddOnArg::Vae => Self::Vae,
            AddOnArg::PreviewVae => Self::PreviewVae,
            AddOnArg::Embedding => Self::Embedding,
            AddOnArg::Controlnet => Self::Controlnet,
            AddOnArg::TextEncoder => Self::TextEncoder,
        }
    }
}

/// Where models come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VendorArg {
    /// Hugging Face
    #[value(alias = "huggingface")]
    Hf,
    /// CivitAI
    Civitai,
    /// Files of your own
    Local,
}

impl From<VendorArg> for Vendor {
    fn from(argument: VendorArg) -> Self {
        match argument {
            VendorArg::Hf => Self::Huggingface,
            VendorArg::Civitai => Self::Civitai,
            VendorArg::Local => Self::Local,
        }
    }
}

/// Whether models can be used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ModelStateArg {
    /// Complete and verified
    Available,
    /// Being brought in
    Downloading,
    /// Damaged, or not brought in
    Failed,
}

impl From<ModelStateArg> for ModelState {
    fn from(argument: ModelStateArg) -> Self {
        match argument {
            ModelStateArg::Available => Self::Available,
            ModelStateArg::Downloading => Self::Downloading,
            ModelStateArg::Failed => Self::Failed,
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn list(line: &[&str]) -> ListArgs {
        let line = ["rbee", "model", "ls"].iter().chain(line);
        match Cli::try_parse_from(line).unwrap().command {
            Command::Model(ModelCommand::Ls(arguments)) => arguments,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_list_without_words_has_no_filter() {
        assert_eq!(list(&[]).filter(), None);
    }

    #[test]
    fn every_filter_reaches_the_contract() {
        let line = "qwen coder --type llm --type sd --add-on lora --base xl --vendor hf --state failed \
                    --worker cuda-sd";
        let words: Vec<&str> = line.split_whitespace().collect();
        let filter = list(&words).filter().unwrap();
        assert_eq!(filter.text, "qwen coder");
        assert_eq!(
            filter.kinds,
            [ModelKind::Llm as i32, ModelKind::StableDiffusion as i32]
        );
        assert_eq!(filter.add_on_kinds, [AddOnKind::Lora as i32]);
        assert_eq!(filter.add_on_base, StableDiffusionVersion::Xl as i32);
        assert_eq!(filter.vendors, [Vendor::Huggingface as i32]);
        assert_eq!(filter.states, [ModelState::Failed as i32]);
        assert_eq!(filter.worker_type, WorkerType::CudaSd as i32);
    }

    #[test]
    fn every_way_of_importing_reaches_the_contract() {
        let mode = |options: &[&str]| {
            let line = ["rbee", "model", "import", "x.gguf"].iter().chain(options);
            match Cli::try_parse_from(line).unwrap().command {
                Command::Model(ModelCommand::Import(arguments)) => arguments.mode(),
                other => panic!("{other:?}"),
            }
        };
        assert_eq!(mode(&[]), ImportMode::Unspecified);
        assert_eq!(mode(&["--copy"]), ImportMode::Copy);
        assert_eq!(mode(&["--link"]), ImportMode::HardLink);
        assert_eq!(mode(&["--hard-link"]), ImportMode::HardLink);
        assert_eq!(mode(&["--in-place"]), ImportMode::InPlace);
    }
}
