//! The floor: a process that copies bytes from one socket to the other and knows nothing of what they mean.
//!
//! What it adds to a message is what it costs on this machine to have one more process on the way at all.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;

use super::worker::leave_with_starter;

/// Serves until its standard input ends; its first line of output is its address.
pub(crate) fn run(socket: &Path) -> anyhow::Result<()> {
    leave_with_starter();
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    loop {
        let (client, _) = listener.accept()?;
        client.set_nodelay(true)?;
        let worker = UnixStream::connect(socket)?;
        let (client_too, worker_too) = (client.try_clone()?, worker.try_clone()?);
        thread::spawn(move || {
            copy(&client, &worker);
            let _ = worker.shutdown(Shutdown::Both);
        });
        thread::spawn(move || {
            copy(&worker_too, &client_too);
            let _: Result<(), _> = TcpStream::shutdown(&client_too, Shutdown::Both);
        });
    }
}

/// Until one of them ends.
fn copy(mut from: impl Read, mut to: impl Write) {
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer) {
        if to.write_all(&buffer[..length]).is_err() {
            break;
        }
    }
}
