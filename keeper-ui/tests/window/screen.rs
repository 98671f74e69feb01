//! A screen without hardware: an X server of the test's own, pictures of it, and what a window manager would tell its
//! windows.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use x11rb::connection::Connection as _;
use x11rb::protocol::xproto::{
    AtomEnum, ClientMessageEvent, ConnectionExt as _, EventMask, ImageFormat, MapState, Window,
};
use x11rb::rust_connection::RustConnection;

/// A running X server. Dropping it ends it, and every window on it.
#[derive(Debug)]
pub struct Screen {
    server: Child,
    display: String,
}

impl Screen {
    /// Starts a server on a free display, with a screen of this size in pixels.
    pub fn start(width: u32, height: u32) -> Self {
        let mut command = Command::new("Xvfb");
        command
            .args(["-displayfd", "1", "-noreset", "-nolisten", "tcp", "-screen", "0"])
            .arg(format!("{width}x{height}x24"))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        let mut server = command
            .spawn()
            .unwrap_or_else(|error| panic!("Xvfb can't be started ({error}): install the package xvfb"));
        let mut number = String::new();
        BufReader::new(server.stdout.take().expect("it is piped"))
            .read_line(&mut number)
            .expect("Xvfb says its display");
        let number: u32 = number.trim().parse().expect("Xvfb found a free display");
        Self {
            server,
            display: format!(":{number}"),
        }
    }

    /// The display, for the variable of that name.
    pub fn display(&self) -> &str {
        &self.display
    }

    fn connect(&self) -> (RustConnection, Window) {
        let (connection, screen) = x11rb::connect(Some(&self.display)).expect("the X server answers");
        let root = connection.setup().roots[screen].root;
        (connection, root)
    }

    /// Writes what is seen on it into a PNG.
    pub fn picture(&self, file: &Path) {
        let (connection, root) = self.connect();
        let area = connection
            .get_geometry(root)
            .expect("asked")
            .reply()
            .expect("the root window is there");
        let seen = connection
            .get_image(ImageFormat::Z_PIXMAP, root, 0, 0, area.width, area.height, !0)
            .expect("asked")
            .reply()
            .expect("the screen can be read");
        // 24 bits a pixel lie in 32: blue, green, red, nothing.
        let pixels: Vec<u8> = seen
            .data
            .chunks_exact(4)
            .flat_map(|pixel| [pixel[2], pixel[1], pixel[0]])
            .collect();
        image::RgbImage::from_raw(area.width.into(), area.height.into(), pixels)
            .expect("as many pixels as the screen has")
            .save(file)
            .unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    }

    /// Asks every window on it to close, as the button in a window's corner does.
    pub fn close_windows(&self) {
        let (connection, root) = self.connect();
        let atom = |name: &str| {
            let asked = connection.intern_atom(false, name.as_bytes()).expect("asked");
            asked.reply().expect("the server knows names").atom
        };
        let (protocols, close) = (atom("WM_PROTOCOLS"), atom("WM_DELETE_WINDOW"));
        let tree = connection
            .query_tree(root)
            .expect("asked")
            .reply()
            .expect("the tree");
        for window in tree.children {
            let shown = connection.get_window_attributes(window).expect("asked").reply();
            if !shown.is_ok_and(|shown| shown.map_state == MapState::VIEWABLE) {
                continue;
            }
            let spoken = connection
                .get_property(false, window, protocols, AtomEnum::ATOM, 0, 32)
                .expect("asked")
                .reply();
            let listens = spoken.is_ok_and(|spoken| {
                spoken
                    .value32()
                    .is_some_and(|mut atoms| atoms.any(|one| one == close))
            });
            if !listens {
                continue;
            }
            let message = ClientMessageEvent::new(32, window, protocols, [close, 0, 0, 0, 0]);
            connection
                .send_event(false, window, EventMask::NO_EVENT, message)
                .expect("sent");
        }
        connection.flush().expect("sent");
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
    }
}
