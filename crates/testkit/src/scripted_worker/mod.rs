//! A worker that does what its model file says, for tests of what must cope with it.
//!
//! It speaks the whole protocol between a hive and a worker: the command line, the token on its
//! standard input, the reports on its standard output, health, reflection and the worker's services
//! on its socket. Only the text is made up. If its model file begins with `{` it is a [`Script`], or
//! has one behind a real model ([`Script::behind`]); with any other file it behaves.
//!
//! A script says beforehand what the worker does. One that serves can also be told what to do *now*:
//! by the text of a chat message or prompt ([`Act::to_message`]), which needs a way to reach it, or by
//! a file in its working folder ([`Act::put`]), which does not, so that it works while the worker
//! loads, hangs, or is busy with other things.

mod act;
mod answers;
mod fleeing;
mod perform;
mod program;
mod script;
mod services;

pub use act::{Act, last_words};
pub use program::{program, run};
pub use script::{Script, Starts};
