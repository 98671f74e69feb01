//! Workers' logs: a bounded ring of lines on disk for each worker, over all starts of its process and of the hive.
//!
//! ```text
//! <hive folder>/logs/<worker id>/                          mode 0700
//! <hive folder>/logs/<worker id>/00000000000000004711.log  a segment, named by the number of its first line
//! ```
//!
//! Lines go to memory first, where a few hundred KiB of them stay, and from there to disk on a thread for blocking
//! work. Whoever reads a log is a [`Cursor`]: the number of the line to read next. It reads from memory what is still
//! there, and from disk what isn't, so that the end of a log and what follows it come without a gap or a
//! repetition between them.
//!
//! What holds:
//! - Memory and disk are bounded, whatever a worker writes. Neither a full disk, nor one that hangs, nor a reader
//!   that is slow ends or holds up a worker; lines that can't be kept are missing, which their numbers show.
//! - After a restart of the hive numbers go on after the last line on disk. A last line that was not written
//!   whole is cut off.
//! - The files are their owner's only, and gone when the worker is gone for good.

mod cursor;
mod logs;
mod reader;
mod ring;
mod segments;

pub use cursor::Cursor;
pub use logs::Logs;
pub use ring::Log;
