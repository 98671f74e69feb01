//! What templates expect of Python: how it prints values, how it writes JSON, and methods of its types.

mod json;
mod methods;
mod repr;

pub(super) use self::json::tojson;
pub(super) use self::methods::call_method;
pub(super) use self::repr::{format, string, text};
