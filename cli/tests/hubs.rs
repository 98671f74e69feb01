//! From a hub to a model of the cluster: the real `rbee up` against scripted hubs on loopback.

mod common;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use common::{Cluster, Said, processes, run, wait_until};
use rbee_testkit::hub::civitai::{CivitaiConfig, CivitaiFile, CivitaiHub, CivitaiModel, CivitaiVersion};
use rbee_testkit::hub::huggingface::{Gated, HuggingFaceConfig, HuggingFaceHub, Repo, Token};
use rbee_testkit::hub::{Fault, FaultRule, FileBody, Host};
use rbee_testkit::models::fixture;
use tokio::runtime::Runtime;

const TOKEN: &str = "hf_onlyforthetestsofthecommandline";
const GOOD: &str = "org/tiny-GGUF";
const GATED: &str = "org/gated-GGUF";
const SLOW: &str = "org/slow-GGUF";

/// A cluster whose hubs are ours. Dropped from the top: the cluster first.
struct World {
    cluster: Cluster,
    hub: HuggingFaceHub,
    civitai: CivitaiHub,
    _runtime: Runtime,
}

fn tiny() -> FileBody {
    FileBody::bytes(fs::read(fixture("llm/ok/plain.gguf")).expect("a fixture"))
}

fn world() -> World {
    let runtime = Runtime::new().expect("threads can be started");
    let repos = [
        Repo::new(GOOD)
            .lfs("tiny-Q4_K_M.gguf", tiny())
            .license("apache-2.0"),
        Repo::new(GATED)
            .lfs("tiny-Q4_K_M.gguf", tiny())
            .gated(Gated::Auto),
        Repo::new(SLOW).lfs("tiny-Q4_K_M.gguf", tiny()),
    ];
    let config = HuggingFaceConfig::of(repos).token(Token::new(TOKEN, &[GATED]));
    let lora = fixture("llm/ok/plain.safetensors");
    let version = CivitaiVersion::new(777).file(CivitaiFile::new(
        1,
        "water.safetensors",
        FileBody::bytes(fs::read(lora).expect("a fixture")),
    ));
    let civitai = CivitaiConfig::of([CivitaiModel::new(7, "Watercolor").kind("LORA").version(version)]);
    let (hub, civitai) = runtime.block_on(async {
        (
            HuggingFaceHub::start(config).await,
            CivitaiHub::start(civitai).await,
        )
    });
    let cluster = Cluster::start_with(|command| {
        command
            .env("HF_ENDPOINT", hub.endpoint())
            .env("CIVITAI_BASE_URL", civitai.base_url())
            .env_remove("HF_TOKEN")
            .env_remove("HF_TOKEN_PATH")
            .env_remove("CIVITAI_TOKEN")
            // The hub client's own token file is looked for below it.
            .env("HF_HOME", "/nonexistent");
    });
    World {
        cluster,
        hub,
        civitai,
        _runtime: runtime,
    }
}

impl World {
    fn rbee(&self, arguments: &[&str]) -> Said {
        self.cluster.rbee(arguments)
    }

    fn login(&self, token: &str) -> Said {
        let mut command = self.cluster.command(&["login", "hf", "--token-stdin", "--json"]);
        command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("rbee can be started");
        let mut input = child.stdin.take().expect("it is piped");
        input.write_all(token.as_bytes()).expect("it reads");
        drop(input);
        let output = child.wait_with_output().expect("it is our child");
        Said {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout).expect("UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("UTF-8"),
        }
    }
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found
}

#[test]
fn a_model_of_a_hub_is_found_resolved_pulled_verified_and_removed() {
    let world = world();
    let found = world.rbee(&["model", "search", "tiny", "--json"]).ok().json();
    assert_eq!(found["hits"][0]["id"], GOOD);
    assert_eq!(found["hits"][0]["already_here"], false);

    let resolved = world.rbee(&["model", "resolve", GOOD, "--json"]).ok().json();
    let id = format!("{GOOD}:tiny-Q4_K_M.gguf");
    assert_eq!(resolved["id"], id.as_str());
    assert_eq!(resolved["license"], "apache-2.0");
    assert_eq!(resolved["accessible"], true);
    assert_eq!(resolved["fits_disk"], true);
    assert_eq!(world.hub.hosts().body_bytes(Host::Cdn), 0, "nothing was fetched");

    let said = world.rbee(&["model", "pull", GOOD]).ok();
    assert!(said.stdout.starts_with(&format!("{id} is there")), "{said:?}");
    let listed = world
        .rbee(&["model", "ls", "tiny", "--vendor", "hf", "--type", "llm", "--json"])
        .ok()
        .json();
    assert_eq!(listed[0]["id"], id.as_str());
    assert_eq!(listed[0]["state"], "available");
    let none = world
        .rbee(&["model", "ls", "--vendor", "civitai", "--json"])
        .ok()
        .json();
    assert_eq!(none, serde_json::json!([]));
    let table = world.rbee(&["model", "search", "tiny"]).ok().stdout;
    assert!(table.contains(&format!("here  {GOOD}")), "{table}");

    // What is damaged on the disk is found, and a pull makes it whole again.
    world.rbee(&["model", "verify"]).ok();
    let sha256 = listed[0]["files"][0]["sha256"].as_str().unwrap();
    let store = world.cluster.folder().join("data/store");
    let blob = files(&store)
        .into_iter()
        .find(|path| path.ends_with(sha256))
        .expect("the blob has its SHA-256 as name");
    let mut bytes = fs::read(&blob).unwrap();
    bytes[1000] ^= 1;
    fs::set_permissions(&blob, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(&blob, bytes).unwrap();
    let said = world.rbee(&["model", "verify", &id]).failed(1);
    assert!(said.stderr.contains("tiny-Q4_K_M.gguf is damaged"), "{said:?}");
    let failed = world
        .rbee(&["model", "ls", "--state", "failed", "--json"])
        .ok()
        .json();
    assert_eq!(failed[0]["id"], id.as_str());
    world.rbee(&["model", "pull", &id]).ok();
    world.rbee(&["model", "verify", &id]).ok();

    // Removing leaves the blob, collecting takes it.
    let said = world.rbee(&["model", "rm", &id, "--yes"]).ok();
    assert!(said.stderr.contains("rbee model gc"), "{said:?}");
    let young = world.rbee(&["model", "gc"]).ok();
    assert_eq!(young.stdout, "nothing to remove\n", "what is young stays");
    let would = world
        .rbee(&["model", "gc", "--dry-run", "--older-than", "0s"])
        .ok();
    assert!(would.stdout.starts_with("would remove 1 blob"), "{would:?}");
    world.rbee(&["model", "gc", "--older-than", "0s"]).ok();
    assert!(!blob.exists());
    world.cluster.stop();
}

#[test]
fn a_gated_model_needs_a_login_and_its_token_goes_to_its_hub_only() {
    let world = world();
    let said = world.rbee(&["model", "pull", GATED, "--json"]).failed(5);
    assert_eq!(said.reason(), "MODEL_GATED");
    let said = world.rbee(&["model", "pull", GATED]).failed(5);
    assert!(said.stderr.contains("rbee login hf"), "{said:?}");
    let resolved = world.rbee(&["model", "resolve", GATED, "--json"]).ok().json();
    assert_eq!(resolved["accessible"], false);
    assert_eq!(resolved["gate"], "automatic");

    let said = world.login("hf_this_one_is_none_of_the_hubs_own").failed(2);
    assert_eq!(said.reason(), "VENDOR_TOKEN_REJECTED");
    let document = world.login(TOKEN).ok().json();
    assert_eq!(document["checked"], true);
    assert_eq!(document["credential"]["origin"], world.hub.endpoint());

    // It lies where only this user can read it, and in no other file of the cluster.
    let with_token: Vec<PathBuf> = files(world.cluster.folder())
        .into_iter()
        .filter(|path| {
            fs::read(path).is_ok_and(|bytes| bytes.windows(TOKEN.len()).any(|part| part == TOKEN.as_bytes()))
        })
        .collect();
    assert_eq!(with_token.len(), 1, "{with_token:?}");
    let mode = fs::metadata(&with_token[0]).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert!(!world.rbee(&["login", "ls"]).ok().stdout.contains(TOKEN));

    world.rbee(&["model", "pull", GATED]).ok();
    assert!(
        world
            .hub
            .hosts()
            .requests_to(Host::Api)
            .iter()
            .any(|asked| asked.authorization)
    );
    for host in [Host::Cdn, Host::Foreign] {
        let asked = world.hub.hosts().requests_to(host);
        assert!(asked.iter().all(|asked| !asked.authorization), "{asked:?}");
    }
    world.rbee(&["login", "hf", "--forget"]).ok();
    assert_eq!(
        world.rbee(&["login", "ls", "--json"]).ok().json(),
        serde_json::json!([])
    );
    world.cluster.stop();
}

#[test]
fn who_leaves_a_download_comes_back_to_it() {
    let world = world();
    // The body begins, and goes no further.
    world
        .hub
        .hosts()
        .faults()
        .add(FaultRule::cdn().with(Fault::StallAfter { bytes: 64 }));
    let told = world.cluster.folder().join("told");
    let mut command = world.cluster.command(&["model", "pull", SLOW, "--json"]);
    command
        .stdout(fs::File::create(&told).unwrap())
        .stderr(Stdio::piped());
    let child = command.spawn().unwrap();
    wait_until("it downloads", Duration::from_secs(30), || {
        fs::read_to_string(&told).unwrap().contains("\"downloading\"")
    });
    processes::signal(child.id(), "INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(String::from_utf8_lossy(&output.stderr).contains("rbee job watch"));

    let jobs = world.rbee(&["job", "ls", "--active", "--json"]).ok().json();
    let id = jobs[0]["id"].as_str().expect("it goes on").to_owned();
    let watching = world.cluster.command(&["job", "watch", &id, "--json"]);
    let watching = std::thread::spawn(move || run(watching));
    world.rbee(&["job", "cancel", &id, "--discard"]).ok();
    let said = watching.join().unwrap();
    assert_ne!(said.code, 0, "{said:?}");
    assert!(said.stdout.contains("cancelled"), "{said:?}");
    assert_eq!(
        world.rbee(&["model", "ls", "--json"]).ok().json(),
        serde_json::json!([])
    );
    world.cluster.stop();
}

#[test]
fn the_other_hub_is_searched_too() {
    let world = world();
    let found = world
        .rbee(&[
            "model", "search", "water", "--hub", "civitai", "--kind", "lora", "--json",
        ])
        .ok()
        .json();
    assert_eq!(found["hits"][0]["id"], "civitai:777");
    assert_eq!(found["hits"][0]["kind"], "lora");
    assert!(!world.civitai.hosts().requests_to(Host::Api).is_empty());
    let said = world.rbee(&["model", "pull", "civitai:778", "--json"]).failed(4);
    assert_eq!(said.reason(), "MODEL_NOT_AT_VENDOR");
    world.cluster.stop();
}
