//! What recent requests made, so that a repeated request makes nothing twice.

use std::collections::{HashMap, VecDeque};

/// The outcomes of the last requests, by request id.
#[derive(Debug)]
pub struct RecentRequests<T> {
    capacity: usize,
    outcomes: HashMap<String, T>,
    oldest_first: VecDeque<String>,
}

impl<T> RecentRequests<T> {
    /// Remembers nothing yet, and the last `capacity` requests at most.
    #[must_use]
    pub fn new(capacity: usize) -> Self {
        Self {
            capacity,
            outcomes: HashMap::new(),
            oldest_first: VecDeque::new(),
        }
    }

    /// What the request made, if it is remembered. An empty id is never remembered.
    #[must_use]
    pub fn outcome(&self, request_id: &str) -> Option<&T> {
        self.outcomes.get(request_id)
    }

    /// Remembers what a request made.
    pub fn remember(&mut self, request_id: String, outcome: T) {
        if request_id.is_empty() || self.capacity == 0 {
            return;
        }
        if self.outcomes.insert(request_id.clone(), outcome).is_none() {
            self.oldest_first.push_back(request_id);
        }
        if self.oldest_first.len() > self.capacity
            && let Some(oldest) = self.oldest_first.pop_front()
        {
            self.outcomes.remove(&oldest);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_is_forgotten_first() {
        let mut requests = RecentRequests::new(2);
        requests.remember(String::new(), 0);
        requests.remember("a".into(), 1);
        requests.remember("a".into(), 2);
        requests.remember("b".into(), 3);
        assert_eq!(requests.outcome("a"), Some(&2));
        requests.remember("c".into(), 4);
        assert_eq!(requests.outcome("a"), None);
        assert_eq!(requests.outcome("b"), Some(&3));
        assert_eq!(requests.outcome(""), None);
    }
}
