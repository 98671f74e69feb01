//! What is asked of the hubs: `rbee model search` and `rbee login`.

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};
use rbee_proto::provisioner::v1::{SearchKind, SearchModelsRequest, SearchSort};
use rbee_proto::types::v1::{StableDiffusionVersion, Vendor};

const SEARCH_EXAMPLES: &str = "\
Examples:
  rbee model search qwen coder --gguf --sort downloads
  rbee model search --author Qwen --limit 50
  rbee model search --hub civitai watercolor --kind lora --base xl
  rbee model search --hub civitai --sort newest --json";

const LOGIN_EXAMPLES: &str = "\
Examples:
  rbee login hf                                asks for the token and does not show it
  pass hf-token | rbee login hf --token-stdin
  rbee login civitai --hub-token-file ./key
  rbee login hf --forget

The server keeps the token in a file that only its own user can read, sends it to that hub and to
no other host, and never gives it out again.";

/// What to look for, and where.
#[derive(Debug, Args)]
#[command(after_help = SEARCH_EXAMPLES)]
pub(crate) struct SearchArgs {
    /// Words to look for
    #[arg(value_name = "WORD")]
    pub(crate) words: Vec<String>,
    /// Which hub
    #[arg(long, value_enum, default_value_t = HubArg::Hf)]
    pub(crate) hub: HubArg,
    /// Only this kind; may be given several times [default: all that rbee can use]
    #[arg(long = "kind", value_enum, value_name = "KIND")]
    pub(crate) kinds: Vec<SearchKindArg>,
    /// Only what goes with this generation of Stable Diffusion; may be given several times
    #[arg(long = "base", value_enum, value_name = "VERSION")]
    pub(crate) bases: Vec<BaseArg>,
    /// Only models of this account
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    pub(crate) author: String,
    /// Only repositories with GGUF files (Hugging Face)
    #[arg(long)]
    pub(crate) gguf: bool,
    /// Also what is not safe for work (CivitAI)
    #[arg(long)]
    pub(crate) nsfw: bool,
    /// In which order [default: the hub's own]
    #[arg(long, value_enum, value_name = "ORDER")]
    pub(crate) sort: Option<SortArg>,
    /// Most hits to show, at most 1000
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1000))]
    pub(crate) limit: u32,
    /// Go on where an earlier search ended
    #[arg(long, value_name = "TOKEN", default_value = "", hide_default_value = true)]
    pub(crate) page_token: String,
}

impl SearchArgs {
    /// A page of at most so many hits, in the contract's words.
    pub(crate) fn request(&self, page_size: u32, page_token: String) -> SearchModelsRequest {
        SearchModelsRequest {
            vendor: Vendor::from(self.hub) as i32,
            text: self.words.join(" "),
            kinds: self
                .kinds
                .iter()
                .map(|kind| SearchKind::from(*kind) as i32)
                .collect(),
            base_versions: self
                .bases
                .iter()
                .map(|base| StableDiffusionVersion::from(*base) as i32)
                .collect(),
            author: self.author.clone(),
            gguf_only: self.gguf,
            include_nsfw: self.nsfw,
            sort: self.sort.map_or(SearchSort::Unspecified, SearchSort::from) as i32,
            page_size,
            page_token,
        }
    }
}

/// The hubs that have models.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum HubArg {
    /// Hugging Face
    #[value(alias = "huggingface")]
    Hf,
    /// CivitAI
    Civitai,
}

impl HubArg {
    /// Its name for people.
    pub(crate) fn title(self) -> &'static str {
        match self {
            Self::Hf => "Hugging Face",
            Self::Civitai => "CivitAI",
        }
    }

    /// Its name on the command line.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Hf => "hf",
            Self::Civitai => "civitai",
        }
    }
}

impl From<HubArg> for Vendor {
    fn from(argument: HubArg) -> Self {
        match argument {
            HubArg::Hf => Self::Huggingface,
            HubArg::Civitai => Self::Civitai,
        }
    }
}

/// What kind of thing to look for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SearchKindArg {
    /// Large language models
    Llm,
    /// Stable Diffusion models
    #[value(alias = "stable-diffusion")]
    Sd,
    /// LoRAs and their relatives
    Lora,
    /// VAEs
    Vae,
    /// Textual-inversion embeddings
    Embedding,
    /// ControlNets
    Controlnet,
}

impl From<SearchKindArg> for SearchKind {
    fn from(argument: SearchKindArg) -> Self {
        match argument {
            SearchKindArg::Llm => Self::Llm,
            SearchKindArg::Sd => Self::StableDiffusion,
            SearchKindArg::Lora => Self::Lora,
            SearchKindArg::Vae => Self::Vae,
            SearchKindArg::Embedding => Self::Embedding,
            SearchKindArg::Controlnet => Self::Controlnet,
        }
    }
}

/// The generations of Stable Diffusion.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BaseArg {
    /// Stable Diffusion 1.5
    #[value(name = "v1-5", aliases = ["1.5", "sd1.5", "sd15"])]
    V15,
    /// Stable Diffusion 2.1
    #[value(name = "v2-1", aliases = ["2.1", "sd2.1", "sd21"])]
    V21,
    /// Stable Diffusion XL
    #[value(alias = "sdxl")]
    Xl,
    /// Stable Diffusion XL Turbo
    XlTurbo,
    /// The refiner of Stable Diffusion XL
    XlRefiner,
}

impl From<BaseArg> for StableDiffusionVersion {
    fn from(argument: BaseArg) -> Self {
        match argument {
            BaseArg::V15 => Self::V15,
            BaseArg::V21 => Self::V21,
            BaseArg::Xl => Self::Xl,
            BaseArg::XlTurbo => Self::XlTurbo,
            BaseArg::XlRefiner => Self::XlRefiner,
        }
    }
}

/// The orders of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SortArg {
    /// Most downloads first
    Downloads,
    /// Most likes first
    Likes,
    /// Newest first
    Newest,
    /// What many look at now first
    Trending,
}

impl From<SortArg> for SearchSort {
    fn from(argument: SortArg) -> Self {
        match argument {
            SortArg::Downloads => Self::Downloads,
            SortArg::Likes => Self::Likes,
            SortArg::Newest => Self::Newest,
            SortArg::Trending => Self::Trending,
        }
    }
}

/// Which hub to log in to.
#[derive(Debug, Subcommand)]
#[command(after_help = LOGIN_EXAMPLES)]
pub(crate) enum LoginCommand {
    /// Keep a token of Hugging Face (Settings, Access Tokens)
    #[command(visible_alias = "huggingface", after_help = LOGIN_EXAMPLES)]
    Hf(LoginArgs),
    /// Keep an API key of CivitAI (Account settings, API Keys)
    #[command(after_help = LOGIN_EXAMPLES)]
    Civitai(LoginArgs),
    /// List the hubs for which there is a token
    #[command(visible_aliases = ["list", "status"])]
    Ls,
}

/// Where the token comes from. It is never an argument: those can be seen by everybody on the machine.
#[derive(Debug, Args)]
#[group(multiple = false)]
pub(crate) struct LoginArgs {
    /// Read the token from standard input
    #[arg(long)]
    pub(crate) token_stdin: bool,
    /// Read the token from this file (--token-file is for the server's own)
    #[arg(long, value_name = "FILE")]
    pub(crate) hub_token_file: Option<PathBuf>,
    /// Forget the token that is kept
    #[arg(long)]
    pub(crate) forget: bool,
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command, ModelCommand};
    use crate::render::words;

    #[test]
    fn every_filter_of_a_search_reaches_the_contract() {
        let line = "rbee model search water color --hub civitai --kind lora --kind vae --base sdxl --author me \
                    --gguf --nsfw --sort newest --limit 7";
        let Command::Model(ModelCommand::Search(arguments)) =
            Cli::try_parse_from(line.split_whitespace()).unwrap().command
        else {
            panic!("another command");
        };
        assert_eq!(arguments.limit, 7);
        assert_eq!(
            arguments.request(7, "90|0".into()),
            SearchModelsRequest {
                vendor: Vendor::Civitai as i32,
                text: "water color".into(),
                kinds: vec![SearchKind::Lora as i32, SearchKind::Vae as i32],
                base_versions: vec![StableDiffusionVersion::Xl as i32],
                author: "me".into(),
                gguf_only: true,
                include_nsfw: true,
                sort: SearchSort::Newest as i32,
                page_size: 7,
                page_token: "90|0".into(),
            }
        );
    }

    #[test]
    fn generations_are_spelled_the_same_in_and_out() {
        for argument in BaseArg::value_variants() {
            let spelled = argument.to_possible_value().unwrap();
            let version = StableDiffusionVersion::from(*argument) as i32;
            assert_eq!(
                spelled.get_name(),
                words::stable_diffusion_version(version).replace('_', "-")
            );
        }
    }
}
