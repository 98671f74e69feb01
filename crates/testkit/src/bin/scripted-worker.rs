//! A worker that does what its model file says. See [`rbee_testkit::scripted_worker`].

fn main() -> std::process::ExitCode {
    rbee_testkit::scripted_worker::run()
}
