//! How much work a grammar may make.

use std::time::Duration;

use llguidance::api::ParserLimits;

/// Stack of the threads that compile: what is nested in a grammar is nested in calls. Only what is touched is
/// taken.
pub(super) const STACK_BYTES: usize = 256 << 20;

/// How long anybody waits for one mask. The limits below end it after some tens of milliseconds; this is for what
/// they forget.
pub(super) const MASK_DEADLINE: Duration = Duration::from_secs(2);

/// How many parts of a regular expression may be left out one after the other (`a?b?c?`): each step looks past all
/// of them, from each of them, and no other limit counts that.
pub(super) const MAX_OPTIONAL_RUN: u32 = 1_000;

/// The library's limits, tightened for requests of strangers: its own allow half a gigabyte.
pub(super) fn limits() -> ParserLimits {
    ParserLimits {
        // Branches of an ambiguous grammar.
        max_items_in_row: 1_000,
        // Nodes of all regular expressions; 50 a microsecond.
        initial_lexer_fuel: 400_000,
        // Derivatives for one mask; 14 a microsecond.
        step_lexer_fuel: 200_000,
        // Parser items for one mask; 20 a microsecond.
        step_max_items: 50_000,
        // One or two kilobytes each.
        max_lexer_states: 20_000,
        // Symbols in rules.
        max_grammar_size: 200_000,
        precompute_large_lexemes: true,
        // They would quote the answer.
        verbose_errors: false,
    }
}
