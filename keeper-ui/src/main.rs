//! `rbee-keeper`: opens the window.

use std::path::PathBuf;

use clap::Parser;
use dioxus::desktop::tao::dpi::LogicalSize;
use dioxus::desktop::tao::window::Icon;
use dioxus::desktop::{Config, WindowBuilder};
use rbee_keeper::app::{self, App, Launch};
use rbee_keeper::client::folder::Folder;
use rbee_keeper::theme;

/// Pixels along an edge of the window's icon: what task bars of dense screens show.
const ICON_EDGE: u32 = 128;

/// The window onto a cluster: a tab for each worker, text and pictures side by side.
#[derive(Debug, Parser)]
#[command(name = "rbee-keeper", version)]
struct Arguments {
    /// Server to connect to; without it the last one, or one that runs on this machine
    #[arg(long, env = "RBEE_SERVER", value_name = "URL")]
    server: Option<String>,
    /// File that holds the server's token
    #[arg(long, env = "RBEE_TOKEN_FILE", value_name = "FILE", hide_env_values = true)]
    token_file: Option<PathBuf>,
    /// Folder in which the window keeps its settings and how it looked
    #[arg(long, env = "RBEE_KEEPER_FOLDER", value_name = "FOLDER")]
    folder: Option<PathBuf>,
    /// Width and height of the window in logical pixels
    #[arg(long, value_name = "WIDTHxHEIGHT", value_parser = size, default_value = "1360x860")]
    size: (f64, f64),
}

fn size(text: &str) -> Result<(f64, f64), String> {
    let parsed = text
        .split_once('x')
        .and_then(|(width, height)| Some((width.parse().ok()?, height.parse().ok()?)));
    parsed.ok_or_else(|| format!("`{text}` is not a size such as 1360x860"))
}

fn main() {
    let arguments = Arguments::parse();
    let own = || Folder::of_user(|name| std::env::var_os(name)).map(|folder| folder.path().to_path_buf());
    let launch = Launch {
        server: arguments.server,
        token_file: arguments.token_file,
        folder: arguments.folder.or_else(own),
    };
    let (width, height) = arguments.size;
    let window = WindowBuilder::new()
        .with_title("rbee")
        .with_window_icon(Icon::from_rgba(theme::icon(ICON_EDGE), ICON_EDGE, ICON_EDGE).ok())
        .with_inner_size(LogicalSize::new(width, height))
        .with_min_inner_size(LogicalSize::new(480.0, 360.0));
    let config = Config::new()
        .with_window(window)
        .with_menu(None)
        .with_custom_head(app::head(launch.folder.as_deref()));
    dioxus::LaunchBuilder::desktop()
        .with_cfg(config)
        .with_context(launch)
        .launch(App);
}
