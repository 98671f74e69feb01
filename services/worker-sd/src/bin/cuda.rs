//! The image worker for NVIDIA's GPUs.

use std::process::ExitCode;

fn main() -> ExitCode {
    sd_worker_rbee::program::main()
}
