//! What the way through the hive costs, measured from outside: `cargo xtask bench proxy` builds and runs this.
//!
//! Starts the program `rbee-hive` on one core and has it spawn a worker that streams as fast or as slowly as it is
//! told; that worker is this same program. Then, in turns, the same calls go to the worker's own socket (*direct*),
//! through the hive, and through two peers on the same core: a *naive* proxy, a plain tonic server that decodes each
//! message of a tonic client and encodes it again, and a *pump*, which copies bytes and is the floor of what one more
//! process on the way costs. Two things are measured:
//!
//! - latency: one stream with a message every few milliseconds; each carries the moment at which it left the worker
//!   (`CLOCK_MONOTONIC`, which all processes of a machine share), and the client notes how long it was under way;
//! - throughput: streams of small messages, each in an HTTP/2 frame of its own, as fast as they go.
//!
//! The processor time that a proxy takes is read from `/proc`, so that messages per second *of its core* do not
//! depend on how fast worker and client are, nor on what else the machine does.

#[cfg(target_os = "linux")]
mod client;
#[cfg(target_os = "linux")]
mod cores;
#[cfg(target_os = "linux")]
mod measure;
#[cfg(target_os = "linux")]
mod naive;
#[cfg(target_os = "linux")]
mod pump;
#[cfg(target_os = "linux")]
mod rig;
#[cfg(target_os = "linux")]
mod worker;

#[cfg(target_os = "linux")]
fn main() -> anyhow::Result<()> {
    use clap::Parser as _;

    // The hive starts it as it starts any worker.
    if std::env::args().any(|argument| argument == "--worker-id") {
        return worker::run();
    }
    let arguments = measure::Arguments::parse();
    if let Some(socket) = &arguments.pump {
        return pump::run(socket);
    }
    // One thread: worker, client and the proxy that is measured shall each have one thing to run.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    if let Some(socket) = &arguments.naive {
        return runtime.block_on(naive::run(socket));
    }
    let report = runtime.block_on(measure::run(&arguments))?;
    println!("{}", serde_json::to_string(&report)?);
    Ok(())
}

#[cfg(not(target_os = "linux"))]
fn main() {
    eprintln!("this measures by Linux's /proc and its scheduler's affinities");
    std::process::exit(1);
}
