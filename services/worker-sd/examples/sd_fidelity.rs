//! Compares this worker with the references in a folder of golden data, and prints a table.
//!
//! ```text
//! cargo run --release -p sd-worker-rbee --example sd_fidelity -- [FOLDER] [--only TEXT] [--json]
//! ```

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Parser;
use sd_worker_rbee::fidelity::{self, Check, Report, Selection};

/// Compares this worker with the references in a folder of golden data.
#[derive(Parser)]
struct Arguments {
    /// The folder [default: the repository's own].
    folder: Option<PathBuf>,
    /// Only cases whose name holds this text.
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// One JSON object on standard output in place of the table.
    #[arg(long)]
    json: bool,
}

fn main() -> anyhow::Result<ExitCode> {
    let arguments = Arguments::parse();
    let folder = arguments
        .folder
        .unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fixtures/sd"));
    let selection = Selection {
        filter: arguments.only,
    };
    let report = fidelity::run(&folder, &selection)?;
    if arguments.json {
        println!("{}", serde_json::to_string(&report)?);
    } else {
        show(&report);
    }
    Ok(if report.passed() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn show(report: &Report) {
    for check in &report.checks {
        println!("{}", line(check));
    }
    for absent in &report.absent {
        println!("  --  {absent}: not in the folder");
    }
    let failed = report.failures().count();
    println!(
        "{} comparisons, {failed} failed, {} absent",
        report.checks.len(),
        report.absent.len()
    );
}

fn line(check: &Check) -> String {
    let Check {
        case,
        measure,
        limit,
        note,
        ..
    } = check;
    let outcome = if check.passed { " ok " } else { "FAIL" };
    let figure = match check.figure {
        Some(figure) => format!("{figure:.2e} (limit {limit:.2e})"),
        None => "no figure".to_owned(),
    };
    let note = match note.as_str() {
        "" => String::new(),
        note => format!("  [{note}]"),
    };
    format!("{outcome}  {case:<48} {measure:<45} {figure}{note}")
}
