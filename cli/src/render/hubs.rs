//! The tables of what hubs and package indexes have.

use prost_types::Timestamp;
use rbee_proto::provisioner::v1::{Credential, DependencyState, Gate, SearchHit, SearchKind, WorkerPackage};

use super::human::{UNKNOWN, age, count, size};
use super::paint::Tone;
use super::table::{Cell, Table};
use super::words;

/// Longest name and base model that a table shows; hubs set no limit that fits a line.
const LONGEST: usize = 40;

/// Hits of a search. A column for names is there only where ids don't tell them.
pub(crate) fn hits(hits: &[SearchHit], now: &Timestamp) -> Table {
    let named = hits.iter().any(|hit| !hit.model_id.ends_with(&hit.name));
    let mut columns = vec!["", "ID"];
    columns.extend(named.then_some("NAME"));
    columns.extend([
        "KIND",
        "BASE",
        "LICENSE",
        ">SIZE",
        ">DOWNLOADS",
        ">LIKES",
        ">CHANGED",
        "MARKS",
    ]);
    let mut table = Table::new(columns);
    for hit in hits {
        let here = if hit.already_here { "here" } else { "" };
        let mut row: Vec<Cell> = vec![Cell::new(here, Tone::Good), hit.model_id.as_str().into()];
        row.extend(named.then(|| name(hit).into()));
        row.extend([
            kind(hit.kind).into(),
            known(&short(&hit.base_model)),
            known(&hit.license),
            hit.size_bytes.map_or_else(|| UNKNOWN.to_owned(), size).into(),
            hit.download_count
                .map_or_else(|| UNKNOWN.to_owned(), count)
                .into(),
            hit.like_count.map_or_else(|| UNKNOWN.to_owned(), count).into(),
            age(hit.updated_at.as_ref(), now).into(),
            Cell::new(marks(hit), Tone::Busy),
        ]);
        table.row(row);
    }
    table
}

fn known(text: &str) -> Cell {
    if text.is_empty() {
        UNKNOWN.into()
    } else {
        text.into()
    }
}

fn short(text: &str) -> String {
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let mut short: String = text.chars().take(LONGEST - 1).collect();
    short.push('…');
    short
}

/// `Watercolor, v2 by somebody`
fn name(hit: &SearchHit) -> String {
    let mut name = short(&hit.name);
    if !hit.version_name.is_empty() {
        name += &format!(", {}", short(&hit.version_name));
    }
    if !hit.author.is_empty() {
        name += &format!(" by {}", short(&hit.author));
    }
    name
}

fn kind(kind: i32) -> String {
    match SearchKind::try_from(kind) {
        Ok(SearchKind::Unspecified) | Err(_) => UNKNOWN.to_owned(),
        Ok(SearchKind::StableDiffusion) => "sd".to_owned(),
        Ok(_) => words::search_kind(kind),
    }
}

fn marks(hit: &SearchHit) -> String {
    let gated = matches!(Gate::try_from(hit.gate), Ok(Gate::Automatic | Gate::Manual));
    let marks: Vec<&str> = [gated.then_some("gated"), hit.nsfw.then_some("nsfw")]
        .into_iter()
        .flatten()
        .collect();
    marks.join(", ")
}

/// Hubs with a token.
pub(crate) fn credentials(credentials: &[Credential], now: &Timestamp) -> Table {
    let mut table = Table::new(["HUB", "SENT TO", "FROM", ">AGE"]);
    for credential in credentials {
        table.row([
            words::vendor(credential.vendor).into(),
            credential.origin.as_str().into(),
            words::credential_source(credential.source).into(),
            age(credential.set_at.as_ref(), now).into(),
        ]);
    }
    table
}

/// Packages of worker programs. The first column marks what `install TYPE` takes.
pub(crate) fn packages(packages: &[WorkerPackage]) -> Table {
    let mut table = Table::new(["", "NAME", "TYPE", "VERSION", "ARCH", "HERE", "DESCRIPTION"]);
    for package in packages {
        let (state, tone) = package_state(package);
        table.row([
            if package.preferred { "*" } else { "" }.into(),
            package.name.as_str().into(),
            words::worker_type(package.worker_type).into(),
            package.version.as_str().into(),
            package.architectures.join(", ").into(),
            Cell::new(state, tone),
            package.description.as_str().into(),
        ]);
    }
    table
}

/// Whether a package can be built on the server's host, and if not why.
fn package_state(package: &WorkerPackage) -> (String, Tone) {
    if !package.problem.is_empty() {
        return (format!("faulty: {}", package.problem), Tone::Bad);
    }
    let missing: Vec<&str> = package
        .dependencies
        .iter()
        .filter(|dependency| dependency.state == DependencyState::Missing as i32)
        .map(|dependency| dependency.name.as_str())
        .collect();
    if !missing.is_empty() {
        (format!("needs {}", missing.join(", ")), Tone::Busy)
    } else if package.supported {
        ("can be built".to_owned(), Tone::Good)
    } else {
        ("for other machines".to_owned(), Tone::Faint)
    }
}

#[cfg(test)]
mod tests {
    use rbee_proto::provisioner::v1::{CredentialSource, Dependency};
    use rbee_proto::types::v1::{Vendor, WorkerType};

    use super::super::paint::Paint;
    use super::*;

    const NOW: Timestamp = Timestamp {
        seconds: 1_000_000,
        nanos: 0,
    };

    #[test]
    fn hits_read_like_this() {
        let repo = SearchHit {
            model_id: "org/repo".into(),
            name: "repo".into(),
            kind: SearchKind::Llm as i32,
            license: "mit".into(),
            download_count: Some(12_345),
            gate: Gate::Manual as i32,
            already_here: true,
            ..SearchHit::default()
        };
        assert_eq!(
            hits(std::slice::from_ref(&repo), &NOW).render(Paint::OFF),
            "      ID        KIND  BASE  LICENSE  SIZE  DOWNLOADS  LIKES  CHANGED  MARKS\n\
             here  org/repo  llm   -     mit         -        12K      -        -  gated\n"
        );
        let version = SearchHit {
            model_id: "civitai:7".into(),
            name: "Water".into(),
            version_name: "v2".into(),
            author: "me".into(),
            kind: SearchKind::Lora as i32,
            base_model: "SDXL 1.0".into(),
            size_bytes: Some(1 << 20),
            nsfw: true,
            ..SearchHit::default()
        };
        let said = hits(&[repo, version], &NOW).render(Paint::OFF);
        assert!(
            said.contains("civitai:7  Water, v2 by me  lora  SDXL 1.0"),
            "{said}"
        );
        assert!(said.trim_end().ends_with("nsfw"), "{said}");
    }

    #[test]
    fn long_names_do_not_tear_the_table() {
        assert_eq!(short(&"é".repeat(40)).chars().count(), 40);
        let cut = short(&"é".repeat(41));
        assert_eq!(cut.chars().count(), 40);
        assert!(cut.ends_with('…'));
    }

    #[test]
    fn credentials_read_like_this() {
        let credential = Credential {
            vendor: Vendor::Huggingface as i32,
            origin: "https://huggingface.co".into(),
            source: CredentialSource::Stored as i32,
            set_at: Some(Timestamp {
                seconds: NOW.seconds - 240,
                nanos: 0,
            }),
        };
        assert_eq!(
            credentials(&[credential], &NOW).render(Paint::OFF),
            "HUB          SENT TO                 FROM    AGE\n\
             huggingface  https://huggingface.co  stored   4m\n"
        );
    }

    #[test]
    fn packages_tell_what_they_lack() {
        let mut package = WorkerPackage {
            name: "llm-worker-rbee-cpu-git".into(),
            worker_type: WorkerType::CpuLlm as i32,
            version: "0.1.0-1".into(),
            description: "Text generation".into(),
            architectures: vec!["x86_64".into()],
            supported: true,
            preferred: true,
            ..WorkerPackage::default()
        };
        assert_eq!(
            packages(std::slice::from_ref(&package)).render(Paint::OFF),
            "   NAME                     TYPE     VERSION  ARCH    HERE          DESCRIPTION\n\
             *  llm-worker-rbee-cpu-git  cpu-llm  0.1.0-1  x86_64  can be built  Text generation\n"
        );
        package.dependencies = vec![Dependency {
            name: "cuda".into(),
            state: DependencyState::Missing as i32,
            hint: String::new(),
        }];
        assert_eq!(package_state(&package), ("needs cuda".to_owned(), Tone::Busy));
        package.problem = "no pkgver".into();
        assert_eq!(package_state(&package).0, "faulty: no pkgver");
    }
}
