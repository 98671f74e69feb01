//! A thousand downloads against random faults: each ends in the right file or the right error, and leaves
//! nothing but a part that can be resumed. `RBEE_DOWNLOAD_SEEDS=1,2,3` repeats it with other seeds.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fs;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use rbee_download::http::{Ask, HttpError};
use rbee_download::{AnswerProblem, Digest, Download, DownloadConfig, DownloadError, Expected};
use rbee_testkit::hub::huggingface::{HuggingFaceConfig, HuggingFaceHub, Repo};
use rbee_testkit::hub::{Fault, FaultKind, FileBody, RandomFaults, git_blob_sha1};
use sha2::{Digest as _, Sha256};

use crate::support::{client_of, downloader_with, fetch, hex, names, part_of, quick};

const DOWNLOADS: usize = 1000;
const AT_ONCE: usize = 24;
const LARGEST_BYTES: u64 = 40_000;

struct Case {
    name: String,
    body: FileBody,
    /// Known by its git name, as small files are; else by its SHA-256.
    small: bool,
    size_known: bool,
    /// In chunks over four connections, or in one.
    parallel: bool,
}

impl Case {
    fn draw(seed: u64, number: usize) -> Self {
        // Any mixing will do: what is drawn here is not what is tested.
        let bits = (seed ^ (number as u64) << 32)
            .wrapping_mul(0x9e37_79b9_7f4a_7c15)
            .rotate_left(31);
        let bits = bits.wrapping_mul(0xbf58_476d_1ce4_e5b9) >> 8;
        let small = bits.is_multiple_of(4);
        Self {
            name: format!("m{number}.{}", if small { "txt" } else { "gguf" }),
            // Different contents, as the CDN names its objects by them.
            body: FileBody::pattern(1 + bits / 4 % LARGEST_BYTES, 1000 + number as u64),
            small,
            size_known: bits >> 32 & 3 != 0,
            parallel: bits >> 34 & 1 != 0,
        }
    }

    fn download(&self, hub: &HuggingFaceHub, folder: &std::path::Path) -> Download {
        let url = format!("{}/o/r/resolve/main/{}", hub.endpoint(), self.name);
        Download {
            folder: folder.to_owned(),
            name: "f".to_owned(),
            key: self.name.clone(),
            source: Arc::new(Ask::new(url.parse().unwrap())),
            expected: Expected {
                size_bytes: self.size_known.then_some(self.body.len()),
                digest: match self.small {
                    true => Digest::git_blob_sha1(&git_blob_sha1(&self.body.to_vec())),
                    false => Digest::sha256(&self.body.sha256()),
                },
                text: false,
            },
        }
    }

    fn config(&self) -> DownloadConfig {
        DownloadConfig {
            connections_on_own_network: if self.parallel { 4 } else { 1 },
            parallel_above_bytes: if self.parallel { 5_000 } else { u64::MAX },
            chunk_bytes: 3_000,
            ..quick()
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_downloads_against_random_faults() {
    let seeds = std::env::var("RBEE_DOWNLOAD_SEEDS").unwrap_or_else(|_| "20260".to_owned());
    for seed in seeds.split(',') {
        thousand(seed.trim().parse().unwrap()).await;
    }
}

async fn thousand(seed: u64) {
    let cases: Vec<Arc<Case>> = (0..DOWNLOADS)
        .map(|number| Arc::new(Case::draw(seed, number)))
        .collect();
    let repo = cases
        .iter()
        .fold(Repo::new("o/r"), |repo, case| match case.small {
            true => repo.small(&case.name, case.body.clone()),
            false => repo.lfs(&case.name, case.body.clone()),
        });
    let hub = Arc::new(HuggingFaceHub::start(HuggingFaceConfig::of([repo])).await);
    hub.hosts().faults().randomise(RandomFaults {
        seed,
        percent: 30,
        most_per_path: 8,
        size_bytes: LARGEST_BYTES / 2,
        kinds: FaultKind::ALL.to_vec(),
    });
    let client = client_of(&[&hub.endpoint()], Duration::from_millis(250));
    let tries = futures_util::stream::iter(cases.iter().cloned()).map(|case| {
        let (hub, client) = (Arc::clone(&hub), client.clone());
        tokio::spawn(async move {
            let folder = tempfile::tempdir().unwrap();
            let what = case.download(&hub, folder.path());
            let result = fetch(&downloader_with(client, case.config()), &what).await;
            let right = case.body.to_vec();
            let error = match result {
                Ok(done) => {
                    assert_eq!(
                        hex(&done.sha256),
                        case.body.sha256(),
                        "seed {seed}, {}",
                        case.name
                    );
                    assert!(
                        fs::read(&done.path).unwrap() == right,
                        "seed {seed}, {}",
                        case.name
                    );
                    done.finish().await.unwrap();
                    assert_eq!(names(folder.path()), [""; 0]);
                    None
                }
                Err(error) => {
                    part_of(folder.path(), &right);
                    Some(error)
                }
            };
            (case, folder, error)
        })
    });
    let ended: Vec<_> = tries
        .buffer_unordered(AT_ONCE)
        .map(|ended| ended.unwrap())
        .collect()
        .await;

    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let met = faults_by_file(&hub, &cases);
    for (case, _, error) in &ended {
        let met = &met[&case.name];
        let ending = match error {
            None if met.is_empty() => "right file, undisturbed".to_owned(),
            None => "right file, in spite of faults".to_owned(),
            Some(error) => {
                assert!(
                    fits(error, met, case),
                    "seed {seed}, {}: {error:?} after {met:?}",
                    case.name
                );
                format!("right error: {}", kind(error))
            }
        };
        *counts.entry(ending).or_default() += 1;
    }
    let requests = hub.hosts().requests();
    let spoilt = requests
        .iter()
        .filter(|request| !request.faults.is_empty())
        .count();
    println!(
        "seed {seed}: {DOWNLOADS} downloads, {} requests, {spoilt} with faults",
        requests.len()
    );

    // The hub is well again: every one that failed ends in its file, from the part that it left.
    hub.hosts().faults().clear();
    let mut again = 0;
    let (mut resumed, mut mended) = (0, 0);
    for (case, folder, error) in &ended {
        if error.is_some() {
            let right = case.body.to_vec();
            let (part, is_right) = part_of(folder.path(), &right);
            let spoilt =
                |fault: &Fault| matches!(fault, Fault::FlipBit { .. } | Fault::RedirectToForeignHost);
            assert!(
                is_right || met[&case.name].iter().any(spoilt),
                "seed {seed}, {}",
                case.name
            );
            let what = case.download(&hub, folder.path());
            let done = fetch(&downloader_with(client.clone(), case.config()), &what)
                .await
                .unwrap();
            assert_eq!(
                done.resumed_bytes,
                if is_right { part } else { 0 },
                "begun anew only if it must be"
            );
            assert!(fs::read(&done.path).unwrap() == right);
            done.finish().await.unwrap();
            again += 1;
            resumed += usize::from(part > 0 && is_right);
            mended += usize::from(!is_right);
        }
        assert_eq!(names(folder.path()), [""; 0]);
    }
    for (ending, count) in &counts {
        println!("  {count:4} {ending}");
    }
    println!(
        "  {again:4} second tries without faults, all right; {resumed} of them went on from a part, {mended} found a wrong bit in theirs"
    );
    let files: usize = counts
        .iter()
        .filter(|(ending, _)| ending.starts_with("right file"))
        .map(|(_, count)| count)
        .sum();
    assert!(
        files >= DOWNLOADS / 2 && again >= DOWNLOADS / 50,
        "the faults are neither too many nor too few"
    );
}

/// The kinds of faults that the requests for each file met.
fn faults_by_file(hub: &HuggingFaceHub, cases: &[Arc<Case>]) -> HashMap<String, Vec<Fault>> {
    let by_digest: HashMap<String, &str> = cases
        .iter()
        .map(|case| {
            // So the scripted CDN names its objects.
            let object = Sha256::digest(format!("cdn object of {}", case.body.sha256()));
            (hex(&object), case.name.as_str())
        })
        .collect();
    let names: HashSet<&str> = cases.iter().map(|case| case.name.as_str()).collect();
    let mut met: HashMap<String, Vec<Fault>> = names
        .iter()
        .map(|name| ((*name).to_owned(), Vec::new()))
        .collect();
    // Those of the path where loops go round belong to every file that was sent there.
    let mut within_loops = Vec::new();
    for request in hub.hosts().requests() {
        if request.path == "/-/round-and-round" {
            within_loops.extend(request.faults);
            continue;
        }
        let last = request.path.rsplit('/').next().unwrap();
        let name = names.get(last).or_else(|| by_digest.get(last));
        if let Some(name) = name {
            met.get_mut(*name).unwrap().extend(request.faults);
        }
    }
    for met in met.values_mut() {
        if met.contains(&Fault::RedirectLoop) {
            met.extend(within_loops.iter().cloned());
        }
    }
    met
}

fn kind(error: &DownloadError) -> String {
    match error {
        DownloadError::Http(HttpError::Status(refusal)) => format!("status {}", refusal.status.as_u16()),
        DownloadError::Answer { problem, .. } => variant(&format!("{problem:?}")),
        DownloadError::Http(error) => variant(&format!("{error:?}")),
        error => variant(&format!("{error:?}")),
    }
}

fn variant(debug: &str) -> String {
    debug.split([' ', '(', '{']).next().unwrap_or_default().to_owned()
}

/// Whether what was told happened.
fn fits(error: &DownloadError, met: &[Fault], case: &Case) -> bool {
    let any = |wanted: fn(&Fault) -> bool| met.iter().any(wanted);
    let stranger = any(|fault| matches!(fault, Fault::RedirectToForeignHost));
    let wrong_length = any(|fault| {
        matches!(
            fault,
            Fault::LengthShort { .. } | Fault::LengthLong { .. } | Fault::LengthAbsurd
        )
    });
    let cut = any(|fault| matches!(fault, Fault::EndAfter { .. }));
    match error {
        DownloadError::Http(HttpError::Status(refusal)) => {
            let status = refusal.status.as_u16();
            met.iter().any(|fault| match fault {
                Fault::Status { status: met, .. } => *met == status,
                Fault::ExpiredSignature => status == 403,
                // A stranger's file ends where ours goes on.
                Fault::RedirectToForeignHost => status == 416,
                _ => false,
            })
        }
        // Downloads share connections: one that another's fault spoilt can break here. And a machine that is busy
        // elsewhere can be silent for long.
        DownloadError::Http(
            HttpError::Broken { .. } | HttpError::Connect { .. } | HttpError::Timeout { .. },
        ) => !met.is_empty(),
        DownloadError::Http(HttpError::TooManyRedirects { .. }) => {
            any(|fault| matches!(fault, Fault::RedirectLoop))
        }
        DownloadError::Http(HttpError::Encoded { .. }) => any(|fault| matches!(fault, Fault::Gzip)),
        DownloadError::Http(HttpError::Page { .. }) => {
            any(|fault| matches!(fault, Fault::HtmlPage | Fault::JsonPage))
        }
        DownloadError::TooLarge { .. } => {
            any(|fault| matches!(fault, Fault::LengthAbsurd)) && !case.size_known
        }
        DownloadError::Answer { problem, .. } => match problem {
            AnswerProblem::WrongRange { got: Some(_), .. } => {
                any(|fault| matches!(fault, Fault::ShiftRange { .. })) || stranger
            }
            AnswerProblem::WrongRange { got: None, .. } => {
                any(|fault| matches!(fault, Fault::IgnoreRange | Fault::Gzip))
            }
            AnswerProblem::WrongSize { .. } | AnswerProblem::WrongLength { .. } => wrong_length || stranger,
            AnswerProblem::Short { .. } => cut || stranger,
            AnswerProblem::Status { .. } => false,
            AnswerProblem::Excess { .. } | AnswerProblem::Changed => wrong_length || stranger || cut,
        },
        DownloadError::Corrupt { expected, found, .. } => {
            let flipped = any(|fault| matches!(fault, Fault::FlipBit { .. }));
            expected != found && (flipped || !case.size_known && (stranger || wrong_length || cut))
        }
        _ => false,
    }
}
