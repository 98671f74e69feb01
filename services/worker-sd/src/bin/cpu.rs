//! The image worker for processors.

use std::process::ExitCode;

fn main() -> ExitCode {
    sd_worker_rbee::program::main()
}
