//! Builds a package as the provisioner does, for those who write PKGBUILDs; installs nothing.
//!
//! ```text
//! cargo run -p rbee-pkgbuild --example build -- llm-worker-rbee-cpu-git RBEE_SOURCE=git+file:///home/me/rbee
//! ```
//!
//! Further arguments: `index=FOLDER` with packages of one's own, `cache=FOLDER` that is kept between builds. Sources on web
//! servers are not fetched; repositories and local files are.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use rbee_pkgbuild::{BuildEvent, FetchError, FetchFile, FetchRequest, IndexLocation, Options, Packages};
use tokio_util::sync::CancellationToken;

#[derive(Debug)]
struct NoWeb;

impl FetchFile for NoWeb {
    fn fetch<'a>(&'a self, _request: FetchRequest<'a>) -> BoxFuture<'a, Result<(), FetchError>> {
        let problem = "this example fetches nothing from web servers".to_owned();
        async { Err(FetchError::Unavailable(problem)) }.boxed()
    }
}

#[tokio::main]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().ok_or("which package?")?.parse()?;
    let folder = tempfile::tempdir()?;
    let mut options = Options::new(folder.path().to_owned());
    for argument in arguments {
        let (name, value) = argument.split_once('=').ok_or("arguments are NAME=VALUE")?;
        match name {
            "index" => options.index = IndexLocation::Folder(PathBuf::from(value)),
            "cache" => options.cache = Some(PathBuf::from(value)),
            variable => {
                options.variables.insert(variable.to_owned(), value.to_owned());
            }
        }
    }
    let packages = Packages::new(options, Arc::new(NoWeb))?;
    println!("{:?}", packages.confinement().await?);
    let cancel = CancellationToken::new();
    let tell = |event| match event {
        BuildEvent::Line(line) => println!("{line}"),
        other => println!("==> {other:?}"),
    };
    let on_interrupt = async {
        // Without a signal to wait for, nothing cancels it.
        if tokio::signal::ctrl_c().await.is_ok() {
            cancel.cancel();
        }
        std::future::pending::<()>().await;
    };
    let built = tokio::select! {
        built = packages.build(&name, &tell, &cancel) => built?,
        () = on_interrupt => return Ok(()),
    };
    println!("{}: {}", built.source(), built.program().display());
    let output = tokio::process::Command::new(built.program())
        .arg("--version")
        .output()
        .await?;
    print!("{}", String::from_utf8_lossy(&output.stdout));
    built.discard().await;
    Ok(())
}
