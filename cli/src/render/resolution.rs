//! What a download would be, for a person.

use rbee_proto::provisioner::v1::{Gate, Resolution};
use rbee_proto::types::v1::Vendor;

use super::cards::Card;
use super::human::{UNKNOWN, size};
use super::paint::{Paint, Tone};
use super::table::Table;
use super::words;

/// Alternatives that are shown; a repository can have dozens.
const SHOWN_ALTERNATIVES: usize = 12;

/// The facts, the files and what else there is.
pub(crate) fn text(resolution: &Resolution, paint: Paint) -> String {
    let mut text = card(resolution).render(paint);
    if !resolution.files.is_empty() {
        let mut files = Table::new(["FILE", ">SIZE"]);
        for file in &resolution.files {
            files.row([
                file.name.as_str().into(),
                file.size_bytes.map_or_else(|| UNKNOWN.to_owned(), size).into(),
            ]);
        }
        text += &format!("\n{}", files.render(paint));
    }
    if !resolution.alternatives.is_empty() {
        let mut others = Table::new(["OR", "QUANT", ">SIZE"]);
        for other in resolution.alternatives.iter().take(SHOWN_ALTERNATIVES) {
            others.row([
                other.model_id.as_str().into(),
                other.quantization.as_deref().unwrap_or(UNKNOWN).into(),
                other.size_bytes.map_or_else(|| UNKNOWN.to_owned(), size).into(),
            ]);
        }
        text += &format!("\n{}", others.render(paint));
        let more = resolution.alternatives.len().saturating_sub(SHOWN_ALTERNATIVES);
        if more > 0 {
            text += &format!(
                "{}\n",
                paint.faint(&format!("and {more} more: --json lists them"))
            );
        }
    }
    text
}

fn card(resolution: &Resolution) -> Card {
    let mut card = Card::default();
    card.fact("id", &resolution.model_id);
    card.known("name", Some(&resolution.name));
    card.known("choice", Some(&resolution.choice));
    card.known(
        "kind",
        words::model_kind(resolution.model_type.as_ref().and_then(|kind| kind.kind.as_ref())),
    );
    card.known("quantization", resolution.quantization.as_ref());
    card.known("size", resolution.size_bytes.map(size));
    match resolution.download_bytes {
        _ if resolution.already_here => card.toned("download", "nothing: it is here already", Tone::Good),
        Some(bytes) if Some(bytes) != resolution.size_bytes => {
            card.fact("download", format!("{}: the rest is here already", size(bytes)));
        }
        _ => {}
    }
    match (resolution.fits_disk, resolution.disk_available_bytes.map(size)) {
        (Some(false), Some(free)) => card.toned("disk", format!("too full: {free} free"), Tone::Bad),
        (Some(false), None) => card.toned("disk", "too full", Tone::Bad),
        (_, Some(free)) => card.fact("disk", format!("{free} free")),
        (_, None) => {}
    }
    card.fact(
        "license",
        if resolution.license.is_empty() {
            "not said"
        } else {
            &resolution.license
        },
    );
    card.known("terms", terms(resolution.gate));
    if resolution.accessible {
        card.toned("access", "yes", Tone::Good);
    } else {
        card.toned("access", "no", Tone::Bad);
        card.fact("do", way_in(resolution));
    }
    card.fact("vendor", words::vendor(resolution.vendor));
    card.known("revision", Some(&resolution.revision));
    card.known("page", Some(&resolution.page_url));
    for (name, value) in &resolution.metadata {
        card.fact(&format!("  {name}"), value);
    }
    card
}

fn terms(gate: i32) -> Option<&'static str> {
    match Gate::try_from(gate) {
        Ok(Gate::Automatic) => Some("to be accepted on its page"),
        Ok(Gate::Manual) => Some("its owner decides on each request"),
        _ => None,
    }
}

/// What gets the files to who can't have them now.
fn way_in(resolution: &Resolution) -> String {
    let login = if resolution.vendor == Vendor::Civitai as i32 {
        "rbee login civitai"
    } else {
        "rbee login hf"
    };
    let page = if resolution.page_url.is_empty() {
        "its page"
    } else {
        &resolution.page_url
    };
    match Gate::try_from(resolution.gate) {
        Ok(Gate::Automatic) => format!("accept the terms at {page}, then `{login}`"),
        Ok(Gate::Manual) => format!("ask for access at {page} and wait for the answer, then `{login}`"),
        _ => format!("`{login}`"),
    }
}

#[cfg(test)]
mod tests {
    use rbee_proto::provisioner::v1::{Alternative, RemoteFile};

    use super::*;

    fn resolution() -> Resolution {
        Resolution {
            model_id: "org/repo:m-Q4_K_M.gguf".into(),
            name: "repo".into(),
            vendor: Vendor::Huggingface as i32,
            revision: "abc".into(),
            license: "apache-2.0".into(),
            gate: Gate::Open as i32,
            accessible: true,
            files: vec![RemoteFile {
                name: "m-Q4_K_M.gguf".into(),
                size_bytes: Some(3 << 20),
                sha256: String::new(),
            }],
            size_bytes: Some(3 << 20),
            download_bytes: Some(3 << 20),
            choice: "Q4_K_M: the best that fits".into(),
            alternatives: vec![Alternative {
                model_id: "org/repo:m-Q8_0.gguf".into(),
                quantization: Some("Q8_0".into()),
                size_bytes: None,
            }],
            quantization: Some("Q4_K_M".into()),
            disk_available_bytes: Some(5 << 30),
            fits_disk: Some(true),
            page_url: "https://hub/org/repo".into(),
            ..Resolution::default()
        }
    }

    #[test]
    fn a_resolution_reads_like_this() {
        assert_eq!(
            text(&resolution(), Paint::OFF),
            "id            org/repo:m-Q4_K_M.gguf\n\
             name          repo\n\
             choice        Q4_K_M: the best that fits\n\
             quantization  Q4_K_M\n\
             size          3.0 MiB\n\
             disk          5.0 GiB free\n\
             license       apache-2.0\n\
             access        yes\n\
             vendor        huggingface\n\
             revision      abc\n\
             page          https://hub/org/repo\n\
             \n\
             FILE              SIZE\n\
             m-Q4_K_M.gguf  3.0 MiB\n\
             \n\
             OR                    QUANT  SIZE\n\
             org/repo:m-Q8_0.gguf  Q8_0      -\n"
        );
    }

    #[test]
    fn who_has_no_access_is_told_the_way_in() {
        let mut gated = resolution();
        gated.accessible = false;
        gated.gate = Gate::Automatic as i32;
        let said = text(&gated, Paint::OFF);
        assert!(
            said.contains("do            accept the terms at https://hub/org/repo, then `rbee login hf`\n"),
            "{said}"
        );
        gated.gate = Gate::Manual as i32;
        assert!(text(&gated, Paint::OFF).contains("wait for the answer"));
        gated.gate = Gate::Open as i32;
        gated.vendor = Vendor::Civitai as i32;
        assert!(text(&gated, Paint::OFF).contains("do            `rbee login civitai`\n"));
    }

    #[test]
    fn what_is_here_or_does_not_fit_is_said() {
        let mut some = resolution();
        some.download_bytes = Some(1 << 20);
        some.fits_disk = Some(false);
        let said = text(&some, Paint::OFF);
        assert!(
            said.contains("download      1.0 MiB: the rest is here already\n"),
            "{said}"
        );
        assert!(said.contains("disk          too full: 5.0 GiB free\n"), "{said}");
        some.already_here = true;
        assert!(text(&some, Paint::OFF).contains("nothing: it is here already"));
    }
}
