//! The text worker for processors.

use std::process::ExitCode;

fn main() -> ExitCode {
    llm_worker_rbee::program::main()
}
