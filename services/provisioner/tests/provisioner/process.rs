//! The program `rbee-provisioner`.

use std::process::{Command, Output};

fn run(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_rbee-provisioner"))
        .args(arguments)
        .env_remove("RBEE_STORE")
        .env_remove("RBEE_WORK_DIR")
        .output()
        .unwrap()
}

#[test]
fn it_shows_its_configuration() {
    let output = run(&[
        "--store",
        "/srv/rbee",
        "--catalog",
        "http://catalog:7220",
        "--worker-dir",
        "/usr/lib/rbee",
        "--print-config",
    ]);
    assert!(output.status.success());
    let shown = String::from_utf8(output.stdout).unwrap();
    assert!(shown.contains("address = \"http://catalog:7220\""), "{shown}");
    assert!(shown.contains("store = \"/srv/rbee\""), "{shown}");
    assert!(shown.contains("worker_dir = \"/usr/lib/rbee\""), "{shown}");
}

#[test]
fn without_its_folders_it_says_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let work_dir = folder.path().to_str().unwrap();
    for (arguments, missing) in [
        (["--work-dir", work_dir], "--store"),
        (["--store", work_dir], "--work-dir"),
    ] {
        let output = run(&[&["--listen", "127.0.0.1:0"][..], &arguments].concat());
        assert!(!output.status.success());
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(said.contains(missing), "{said}");
    }
}
