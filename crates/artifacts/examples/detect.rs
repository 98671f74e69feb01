//! Says what files and folders are: `cargo run -p rbee-artifacts --example detect -- PATH...`

use std::path::PathBuf;
use std::process::ExitCode;

use rbee_artifacts::detect::{Links, detect_path};

fn main() -> ExitCode {
    let mut code = ExitCode::SUCCESS;
    for path in std::env::args_os().skip(1).map(PathBuf::from) {
        match detect_path(&path, Links::All) {
            Ok(detected) => {
                let summary = detected.summary();
                println!("{}\t{}", path.display(), detected.in_words());
                for (name, value) in &summary.metadata {
                    println!("\t{name} = {value}");
                }
                let parameters = summary
                    .parameter_count
                    .map_or("?".to_owned(), |count| count.to_string());
                println!(
                    "\t{} parameters, {}",
                    parameters,
                    summary.quantization.as_deref().unwrap_or("?")
                );
            }
            Err(error) => {
                println!("{}\tERROR {}", path.display(), error.in_words());
                code = ExitCode::FAILURE;
            }
        }
    }
    code
}
