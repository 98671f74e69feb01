//! Jobs, hubs and packages of the provisioner.

use rbee_proto::provisioner::v1 as proto;
use rbee_proto::types::v1 as types;

use super::cluster::worker_type;
use super::time::{duration, timestamp};
use crate::model::downloads::{Job, JobKind, JobPhase, JobState};
use crate::model::marketplace::{
    Dependency, Filters, Gate, Hub, Offer, OfferKind, OfferPage, Package, Plan, Sort, Variant,
};
use crate::model::models::DiffusionVersion;

/// A job.
#[must_use]
pub fn job(told: proto::Job) -> Job {
    use proto::job::Result as Brought;
    let brought = match &told.result {
        Some(Brought::Model(model)) => Some(model.id.clone().into()),
        _ => None,
    };
    Job {
        kind: kind(told.kind()),
        state: state(&told),
        phase: phase(told.phase()),
        id: told.id.into(),
        subject: told.subject,
        done_bytes: told.done_bytes,
        total_bytes: told.total_bytes,
        bytes_per_second: told.bytes_per_second,
        remaining: duration(told.remaining),
        file_name: told.file_name,
        note: told.note,
        created_at: timestamp(told.created_at),
        brought,
    }
}

fn kind(told: proto::JobKind) -> JobKind {
    match told {
        proto::JobKind::Unspecified => JobKind::Unknown,
        proto::JobKind::ImportModel => JobKind::ImportModel,
        proto::JobKind::ImportWorkerBinary => JobKind::ImportWorker,
        proto::JobKind::ProvisionModel => JobKind::Download,
        proto::JobKind::InstallWorker => JobKind::InstallWorker,
        proto::JobKind::VerifyModels => JobKind::Verify,
    }
}

fn state(told: &proto::Job) -> JobState {
    match told.state() {
        // A state that this window does not know yet is none in which anything has ended.
        proto::JobState::Unspecified | proto::JobState::Running => JobState::Running,
        proto::JobState::Pending => JobState::Pending,
        proto::JobState::Succeeded => JobState::Succeeded,
        proto::JobState::Cancelled => JobState::Stopped,
        proto::JobState::Failed => {
            let failure = told.failure.clone().unwrap_or_default();
            JobState::Failed {
                reason: failure.reason,
                message: failure.message,
            }
        }
    }
}

fn phase(told: proto::JobPhase) -> Option<JobPhase> {
    Some(match told {
        proto::JobPhase::Unspecified => return None,
        proto::JobPhase::Inspecting => JobPhase::Inspecting,
        proto::JobPhase::Storing => JobPhase::Storing,
        proto::JobPhase::Registering => JobPhase::Registering,
        proto::JobPhase::Resolving => JobPhase::Resolving,
        proto::JobPhase::Downloading => JobPhase::Downloading,
        proto::JobPhase::FetchingSources => JobPhase::FetchingSources,
        proto::JobPhase::Building => JobPhase::Building,
        proto::JobPhase::Verifying => JobPhase::Verifying,
    })
}

/// What to ask a hub; `None` for one that is not searched.
#[must_use]
pub fn search(hub: Hub, filters: &Filters, page: Option<String>) -> Option<proto::SearchModelsRequest> {
    let vendor = match hub {
        Hub::HuggingFace => types::Vendor::Huggingface,
        Hub::CivitAi => types::Vendor::Civitai,
        Hub::Workers => return None,
    };
    Some(proto::SearchModelsRequest {
        vendor: vendor.into(),
        text: filters.words(),
        kinds: filters
            .kind
            .iter()
            .map(|kind| search_kind(*kind).into())
            .collect(),
        base_versions: filters
            .base
            .iter()
            .map(|base| base_version(*base).into())
            .collect(),
        author: String::new(),
        // Image models are safetensors: the filter would hide all of them.
        gguf_only: filters.gguf_only && hub == Hub::HuggingFace && filters.kind == Some(OfferKind::Llm),
        include_nsfw: filters.include_nsfw,
        sort: sort(filters.sort).into(),
        page_size: 40,
        page_token: page.unwrap_or_default(),
    })
}

fn search_kind(kind: OfferKind) -> proto::SearchKind {
    match kind {
        OfferKind::Llm => proto::SearchKind::Llm,
        OfferKind::Diffusion => proto::SearchKind::StableDiffusion,
        OfferKind::Lora => proto::SearchKind::Lora,
        OfferKind::Vae => proto::SearchKind::Vae,
        OfferKind::Embedding => proto::SearchKind::Embedding,
        OfferKind::ControlNet => proto::SearchKind::Controlnet,
    }
}

fn base_version(base: DiffusionVersion) -> types::StableDiffusionVersion {
    match base {
        DiffusionVersion::V1_5 => types::StableDiffusionVersion::V15,
        DiffusionVersion::V2_1 => types::StableDiffusionVersion::V21,
        DiffusionVersion::Xl => types::StableDiffusionVersion::Xl,
        DiffusionVersion::XlTurbo => types::StableDiffusionVersion::XlTurbo,
        DiffusionVersion::XlRefiner => types::StableDiffusionVersion::XlRefiner,
    }
}

fn sort(sort: Sort) -> proto::SearchSort {
    match sort {
        Sort::Best => proto::SearchSort::Unspecified,
        Sort::Trending => proto::SearchSort::Trending,
        Sort::Downloads => proto::SearchSort::Downloads,
        Sort::Likes => proto::SearchSort::Likes,
        Sort::Newest => proto::SearchSort::Newest,
    }
}

/// A page of hits.
#[must_use]
pub fn page(told: proto::SearchModelsResponse) -> OfferPage {
    OfferPage {
        offers: told.hits.into_iter().map(offer).collect(),
        next: (!told.next_page_token.is_empty()).then_some(told.next_page_token),
    }
}

fn offer(told: proto::SearchHit) -> Offer {
    let variant = |version: proto::HubVersion| Variant {
        id: version.model_id,
        name: if version.base_model.is_empty() {
            version.name
        } else {
            format!("{} · {}", version.name, version.base_model)
        },
        size_bytes: version.size_bytes,
    };
    Offer {
        kind: offer_kind(told.kind()),
        gate: gate(told.gate()),
        id: told.model_id,
        name: told.name,
        author: told.author,
        base_model: told.base_model,
        downloads: told.download_count,
        likes: told.like_count,
        licence: told.license,
        nsfw: told.nsfw,
        updated_at: timestamp(told.updated_at),
        size_bytes: told.size_bytes,
        // Only what comes over an encrypted connection is shown.
        thumbnail_url: Some(told.thumbnail_url)
            .filter(|url| url.starts_with("https://"))
            .unwrap_or_default(),
        page_url: told.page_url,
        tags: told.tags,
        local: (!told.local_model_id.is_empty()).then(|| told.local_model_id.into()),
        already_here: told.already_here,
        version_name: told.version_name,
        versions: told.versions.into_iter().map(variant).collect(),
    }
}

fn offer_kind(told: proto::SearchKind) -> Option<OfferKind> {
    Some(match told {
        proto::SearchKind::Unspecified => return None,
        proto::SearchKind::Llm => OfferKind::Llm,
        proto::SearchKind::StableDiffusion => OfferKind::Diffusion,
        proto::SearchKind::Lora => OfferKind::Lora,
        proto::SearchKind::Vae => OfferKind::Vae,
        proto::SearchKind::Embedding => OfferKind::Embedding,
        proto::SearchKind::Controlnet => OfferKind::ControlNet,
    })
}

fn gate(told: proto::Gate) -> Option<Gate> {
    match told {
        proto::Gate::Unspecified => None,
        proto::Gate::Open => Some(Gate::Open),
        proto::Gate::Automatic => Some(Gate::Automatic),
        proto::Gate::Manual => Some(Gate::Manual),
    }
}

/// What a download would be.
#[must_use]
pub fn plan(told: proto::Resolution) -> Plan {
    let variant = |other: proto::Alternative| Variant {
        name: other
            .quantization
            .unwrap_or_else(|| last_part(&other.model_id).to_owned()),
        id: other.model_id,
        size_bytes: other.size_bytes,
    };
    Plan {
        gate: gate(told.gate()),
        id: told.model_id,
        name: told.name,
        licence: told.license,
        accessible: told.accessible,
        files: told
            .files
            .into_iter()
            .map(|file| (file.name, file.size_bytes))
            .collect(),
        size_bytes: told.size_bytes,
        download_bytes: told.download_bytes,
        choice: told.choice,
        quantization: told.quantization,
        variants: told.alternatives.into_iter().map(variant).collect(),
        page_url: told.page_url,
        already_here: told.already_here,
        disk_available_bytes: told.disk_available_bytes,
        fits_disk: told.fits_disk,
    }
}

fn last_part(id: &str) -> &str {
    id.rsplit([':', '/']).next().unwrap_or(id)
}

/// A worker program that can be installed, beside those that are.
#[must_use]
pub fn package(told: proto::WorkerPackage, installed: &[types::WorkerBinary]) -> Package {
    let same = |binary: &&types::WorkerBinary| binary.worker_type == told.worker_type;
    let installed = installed
        .iter()
        .filter(same)
        .map(|binary| binary.version.clone())
        .collect();
    let dependency = |dependency: proto::Dependency| Dependency {
        missing: dependency.state() == proto::DependencyState::Missing,
        name: dependency.name,
        hint: dependency.hint,
    };
    Package {
        worker_type: worker_type(told.worker_type()),
        name: told.name,
        version: told.version,
        description: told.description,
        licence: told.license,
        architectures: told.architectures,
        supported: told.supported,
        dependencies: told.dependencies.into_iter().map(dependency).collect(),
        preferred: told.preferred,
        problem: told.problem,
        installed,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_failed_says_why() {
        let told = proto::Job {
            id: "1".to_owned(),
            kind: proto::JobKind::ProvisionModel.into(),
            state: proto::JobState::Failed.into(),
            failure: Some(proto::JobFailure {
                reason: "DISK_FULL".to_owned(),
                message: "no room".to_owned(),
            }),
            ..proto::Job::default()
        };
        let job = job(told);
        assert_eq!(job.kind, JobKind::Download);
        assert_eq!(
            job.state,
            JobState::Failed {
                reason: "DISK_FULL".to_owned(),
                message: "no room".to_owned()
            }
        );
    }

    #[test]
    fn a_search_asks_for_gguf_only_where_there_can_be_some() {
        let filters = Filters::new(Hub::HuggingFace);
        assert!(search(Hub::HuggingFace, &filters, None).unwrap().gguf_only);
        let images = Filters {
            kind: Some(OfferKind::Diffusion),
            ..filters
        };
        assert!(!search(Hub::HuggingFace, &images, None).unwrap().gguf_only);
        assert!(search(Hub::Workers, &images, None).is_none());
    }

    #[test]
    fn a_picture_over_an_open_connection_is_not_shown() {
        let hit = |url: &str| {
            offer(proto::SearchHit {
                thumbnail_url: url.to_owned(),
                ..proto::SearchHit::default()
            })
        };
        assert_eq!(hit("http://example.org/a.png").thumbnail_url, "");
        assert_eq!(
            hit("https://example.org/a.png").thumbnail_url,
            "https://example.org/a.png"
        );
    }

    #[test]
    fn what_is_installed_stands_beside_its_package() {
        let of = |worker_type: types::WorkerType| worker_type.into();
        let binaries = [
            types::WorkerBinary {
                worker_type: of(types::WorkerType::CpuLlm),
                version: "0.2.0".to_owned(),
                ..Default::default()
            },
            types::WorkerBinary {
                worker_type: of(types::WorkerType::CpuSd),
                version: "0.1.0".to_owned(),
                ..Default::default()
            },
        ];
        let told = proto::WorkerPackage {
            worker_type: of(types::WorkerType::CpuLlm),
            ..Default::default()
        };
        assert_eq!(package(told, &binaries).installed, ["0.2.0"]);
    }
}
