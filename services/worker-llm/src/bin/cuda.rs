//! The text worker for NVIDIA's GPUs.

use std::process::ExitCode;

fn main() -> ExitCode {
    llm_worker_rbee::program::main()
}
