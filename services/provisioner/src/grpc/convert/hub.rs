//! What the hubs have, to and from the contract's messages.

use rbee_artifacts::StableDiffusionVersion;
use rbee_proto::provisioner::v1 as wire;
use rbee_service_kit::Fault;
use rbee_vendors::{
    FileDigest, Gate, HubVersion, Resolution, SearchHit, SearchKind, SearchPage, SearchQuery, SearchSort,
};
use rbee_wire::{model_type_to_wire, stable_diffusion_version_from_wire, timestamp_to_wire, vendor_to_wire};

use crate::domain::here::Here;

/// Most values of one filter.
const MAX_VALUES: usize = 32;

/// Reads a search.
pub(crate) fn query_from_wire(request: wire::SearchModelsRequest) -> Result<SearchQuery, Fault> {
    for (field, count) in [
        ("kinds", request.kinds.len()),
        ("base_versions", request.base_versions.len()),
    ] {
        if count > MAX_VALUES {
            return Err(Fault::invalid(
                field,
                format!("has more than {MAX_VALUES} values"),
            ));
        }
    }
    let kinds = request.kinds.iter().enumerate().map(|(index, number)| {
        kind_from_wire(*number)
            .ok_or_else(|| Fault::invalid(format!("kinds[{index}]"), "is not a kind of model"))
    });
    let base_versions = request.base_versions.iter().enumerate().map(|(index, number)| {
        stable_diffusion_version_from_wire(*number)
            .ok_or_else(|| Fault::invalid(format!("base_versions[{index}]"), "is not a version"))
    });
    Ok(SearchQuery {
        kinds: kinds.collect::<Result<Vec<SearchKind>, Fault>>()?,
        base_versions: base_versions.collect::<Result<Vec<StableDiffusionVersion>, Fault>>()?,
        sort: sort_from_wire(request.sort)?,
        text: request.text,
        author: request.author,
        gguf_only: request.gguf_only,
        include_nsfw: request.include_nsfw,
        page_size: request.page_size,
        page_token: request.page_token,
    })
}

fn kind_from_wire(number: i32) -> Option<SearchKind> {
    Some(match wire::SearchKind::try_from(number).ok()? {
        wire::SearchKind::Llm => SearchKind::Llm,
        wire::SearchKind::StableDiffusion => SearchKind::StableDiffusion,
        wire::SearchKind::Lora => SearchKind::Lora,
        wire::SearchKind::Vae => SearchKind::Vae,
        wire::SearchKind::Embedding => SearchKind::Embedding,
        wire::SearchKind::Controlnet => SearchKind::ControlNet,
        wire::SearchKind::Unspecified => return None,
    })
}

fn kind_to_wire(kind: Option<SearchKind>) -> wire::SearchKind {
    match kind {
        Some(SearchKind::Llm) => wire::SearchKind::Llm,
        Some(SearchKind::StableDiffusion) => wire::SearchKind::StableDiffusion,
        Some(SearchKind::Lora) => wire::SearchKind::Lora,
        Some(SearchKind::Vae) => wire::SearchKind::Vae,
        Some(SearchKind::Embedding) => wire::SearchKind::Embedding,
        Some(SearchKind::ControlNet) => wire::SearchKind::Controlnet,
        None => wire::SearchKind::Unspecified,
    }
}

fn sort_from_wire(number: i32) -> Result<SearchSort, Fault> {
    Ok(match wire::SearchSort::try_from(number) {
        Ok(wire::SearchSort::Unspecified) => SearchSort::Relevance,
        Ok(wire::SearchSort::Downloads) => SearchSort::Downloads,
        Ok(wire::SearchSort::Likes) => SearchSort::Likes,
        Ok(wire::SearchSort::Newest) => SearchSort::Newest,
        Ok(wire::SearchSort::Trending) => SearchSort::Trending,
        Err(_) => return Err(Fault::invalid("sort", "is not an order")),
    })
}

fn gate_to_wire(gate: Gate) -> wire::Gate {
    match gate {
        Gate::Open => wire::Gate::Open,
        Gate::Automatic => wire::Gate::Automatic,
        Gate::Manual => wire::Gate::Manual,
    }
}

/// Writes what an id means at its hub. What is here of it is for the caller to add.
pub(crate) fn resolution_to_wire(resolution: &Resolution) -> wire::Resolution {
    // Why it can't be had is what a person should know before asking for it.
    let refusal = resolution.refusal.as_ref().map(ToString::to_string);
    let choice: Vec<&str> = std::iter::once(resolution.choice.as_str())
        .chain(resolution.notes.iter().map(String::as_str))
        .chain(refusal.as_deref())
        .filter(|text| !text.is_empty())
        .collect();
    wire::Resolution {
        model_id: resolution.id.to_string(),
        name: resolution.name.clone(),
        vendor: vendor_to_wire(resolution.id.vendor()).into(),
        revision: resolution.commit.clone().unwrap_or_default(),
        license: resolution.licence.clone().unwrap_or_default(),
        gate: gate_to_wire(resolution.gate).into(),
        accessible: resolution.refusal.is_none(),
        files: resolution
            .files
            .iter()
            .map(|file| wire::RemoteFile {
                name: file.name.to_string(),
                size_bytes: file.size_bytes,
                sha256: match &file.digest {
                    FileDigest::Sha256(sha256) => sha256.to_string(),
                    FileDigest::GitSha1(_) | FileDigest::Unknown => String::new(),
                },
            })
            .collect(),
        size_bytes: resolution.size_bytes(),
        choice: choice.join("; "),
        alternatives: resolution
            .alternatives
            .iter()
            .map(|alternative| wire::Alternative {
                model_id: alternative.id.to_string(),
                quantization: alternative.quantization.clone(),
                size_bytes: alternative.size_bytes,
            })
            .collect(),
        model_type: resolution.model_type.as_ref().map(model_type_to_wire),
        quantization: resolution.quantization.clone(),
        metadata: resolution.metadata.clone(),
        page_url: resolution.page_url.clone(),
        ..wire::Resolution::default()
    }
}

/// Writes a page of hits, with what is here of them.
pub(crate) fn search_page_to_wire(page: SearchPage, here: &Here) -> wire::SearchModelsResponse {
    wire::SearchModelsResponse {
        hits: page.hits.into_iter().map(|hit| hit_to_wire(hit, here)).collect(),
        next_page_token: page.next_page.unwrap_or_default(),
    }
}

fn hit_to_wire(hit: SearchHit, here: &Here) -> wire::SearchHit {
    let local = here.of(&hit.id);
    wire::SearchHit {
        already_here: local.is_some(),
        local_model_id: local.map(ToString::to_string).unwrap_or_default(),
        model_id: hit.id.to_string(),
        name: hit.name,
        author: hit.author.unwrap_or_default(),
        kind: kind_to_wire(hit.kind).into(),
        base_model: hit.base_model.unwrap_or_default(),
        download_count: hit.downloads,
        like_count: hit.likes,
        license: hit.licence.unwrap_or_default(),
        gate: gate_to_wire(hit.gate).into(),
        nsfw: hit.nsfw,
        updated_at: hit.updated_at.map(timestamp_to_wire),
        size_bytes: hit.size_bytes,
        thumbnail_url: hit.thumbnail_url.unwrap_or_default(),
        page_url: hit.page_url,
        tags: hit.tags,
        version_name: hit.version_name.unwrap_or_default(),
        versions: hit.versions.into_iter().map(version_to_wire).collect(),
    }
}

fn version_to_wire(version: HubVersion) -> wire::HubVersion {
    wire::HubVersion {
        model_id: version.id.to_string(),
        name: version.name,
        base_model: version.base_model.unwrap_or_default(),
        size_bytes: version.size_bytes,
    }
}
