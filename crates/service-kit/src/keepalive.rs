//! How soon a peer that vanished without a word is noticed.
//!
//! A host that loses its power or its network says no farewell, and TCP alone goes on hoping for a quarter of an
//! hour. Both ends of a connection therefore ask each other for a sign of life (HTTP/2's PING). For a
//! client this ends a call or a watch that would wait for ever; for a server it ends what a client that is gone
//! had asked for, a worker's generation too.

use std::time::Duration;

/// When a peer counts as gone: after a quiet interval it is asked, and then has some time to answer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Keepalive {
    /// Between two signs of life that are asked for.
    pub(crate) interval: Duration,
    /// How long an answer may take.
    pub(crate) patience: Duration,
}

impl Keepalive {
    /// Between hosts: a peer is noticed to be gone within 15 s, which is also the lease after which a
    /// catalog takes a hive for unreachable. A machine whose every processor computes, or that
    /// swaps, answers within these 10 s.
    pub(crate) const NETWORK: Self = Self {
        interval: Duration::from_secs(5),
        patience: Duration::from_secs(10),
    };

    /// On a Unix socket the system says at once when the other end is gone. Whether it hangs is for the one who
    /// supervises it to judge, sooner than this.
    pub(crate) const SAME_HOST: Self = Self {
        interval: Duration::from_secs(20),
        patience: Duration::from_secs(10),
    };
}
