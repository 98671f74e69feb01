//! The text worker for Apple's GPUs.

use std::process::ExitCode;

fn main() -> ExitCode {
    llm_worker_rbee::program::main()
}
