//! Ids of elements, which labels and descriptions need.

use std::cell::Cell;
use std::rc::Rc;

use dioxus::prelude::*;

/// Counts the ids of one window.
#[derive(Clone, Default)]
struct Identities(Rc<Cell<u64>>);

/// An id that no other element of this window has, the same for as long as the part is drawn.
///
/// Counted per window and not per process, so that what is drawn from the same state is the same text.
pub fn use_identity(prefix: &'static str) -> String {
    use_hook(|| {
        let identities = try_consume_context::<Identities>()
            .unwrap_or_else(|| dioxus::core::provide_root_context(Identities::default()));
        let number = identities.0.get() + 1;
        identities.0.set(number);
        format!("{prefix}-{number}")
    })
}
