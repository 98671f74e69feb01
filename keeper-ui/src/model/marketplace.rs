//! What the hubs have: Hugging Face and CivitAI as searches, the worker programs as a list.

pub mod filters;
pub mod fits;
pub mod market;
pub mod offer;

use std::collections::BTreeSet;

pub use filters::{Filters, Hub, KindFilter, Sort};
pub use fits::Fits;
pub use market::{Arrangement, Market};
pub use offer::{Dependency, Gate, Offer, OfferKind, Package, Plan, Variant};

/// Something that is on its way, there, or failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Loading<T, F> {
    /// Not asked for.
    Idle,
    /// On its way.
    Waiting,
    /// Here.
    Here(T),
    /// It did not come.
    Failed(F),
}

impl<T, F> Loading<T, F> {
    /// Whether it is on its way.
    #[must_use]
    pub const fn is_waiting(&self) -> bool {
        matches!(self, Self::Waiting)
    }
}

/// A page of what a hub has.
#[derive(Debug, Clone, PartialEq)]
pub struct OfferPage {
    /// The offers.
    pub offers: Vec<Offer>,
    /// What to ask for the next page with; `None` after the last.
    pub next: Option<String>,
}

/// Which answer is waited for: one to anything asked before is out of date.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Hash)]
pub struct Ticket(u64);

/// The search of one hub.
#[derive(Debug, Clone, PartialEq)]
pub struct Search<F> {
    /// What is looked for.
    pub filters: Filters,
    /// What came of it, all pages so far.
    pub offers: Loading<Vec<Offer>, F>,
    /// What to ask for the next page with.
    pub next: Option<String>,
    /// Whether the next page is on its way, or why it did not come.
    pub more: Loading<(), F>,
    ticket: Ticket,
}

impl<F> Search<F> {
    /// Nothing asked yet.
    #[must_use]
    pub fn new(hub: Hub) -> Self {
        Self {
            filters: Filters::new(hub),
            offers: Loading::Idle,
            next: None,
            more: Loading::Idle,
            ticket: Ticket::default(),
        }
    }

    /// Begins anew with the filters as they are: what is told of anything before is passed over.
    pub fn begin(&mut self) -> Ticket {
        self.ticket.0 += 1;
        self.offers = Loading::Waiting;
        self.more = Loading::Idle;
        self.next = None;
        self.ticket
    }

    /// Begins with the next page; `None` where there is none or it is on its way.
    pub fn begin_more(&mut self) -> Option<(Ticket, String)> {
        if matches!(self.more, Loading::Waiting) {
            return None;
        }
        let next = self.next.clone()?;
        self.more = Loading::Waiting;
        Some((self.ticket, next))
    }

    /// Whether an answer is still waited for.
    #[must_use]
    pub fn is_current(&self, ticket: Ticket) -> bool {
        ticket == self.ticket
    }

    /// An answer came. One to a search that is out of date changes nothing.
    pub fn arrived(&mut self, ticket: Ticket, answer: Result<OfferPage, F>) {
        if ticket != self.ticket {
            return;
        }
        match (answer, std::mem::replace(&mut self.offers, Loading::Idle)) {
            (Ok(page), Loading::Here(mut offers)) => {
                // Hubs shift while one pages through them: what moved to the next page is not shown twice.
                let known: BTreeSet<String> = offers.iter().map(|offer| offer.id.clone()).collect();
                offers.extend(page.offers.into_iter().filter(|offer| !known.contains(&offer.id)));
                self.offers = Loading::Here(offers);
                self.next = page.next;
                self.more = Loading::Idle;
            }
            (Ok(page), _) => {
                self.offers = Loading::Here(page.offers);
                self.next = page.next;
            }
            (Err(failure), Loading::Here(offers)) => {
                self.offers = Loading::Here(offers);
                self.more = Loading::Failed(failure);
            }
            (Err(failure), _) => self.offers = Loading::Failed(failure),
        }
    }

    /// What came and passes those filters that no hub has.
    pub fn shown(&self, room_bytes: Option<u64>) -> Vec<&Offer> {
        let Loading::Here(offers) = &self.offers else {
            return Vec::new();
        };
        offers
            .iter()
            .filter(|offer| self.filters.pass(offer, room_bytes))
            .collect()
    }
}

/// An offer that is looked at more closely.
#[derive(Debug, Clone, PartialEq)]
pub struct Details<F> {
    /// The offer.
    pub offer: Offer,
    /// The id of the version or file that was chosen.
    pub chosen: String,
    /// What its download would be.
    pub plan: Loading<Plan, F>,
}

impl<F> Details<F> {
    /// Looks at an offer; its plan is to be asked for.
    #[must_use]
    pub fn open(offer: Offer) -> Self {
        Self {
            chosen: offer.id.clone(),
            offer,
            plan: Loading::Waiting,
        }
    }

    /// Another version or file of it; its plan is to be asked for.
    pub fn choose(&mut self, id: String) {
        self.chosen = id;
        self.plan = Loading::Waiting;
    }

    /// The plan of an id came; it is taken if that is still the one that was chosen.
    pub fn arrived(&mut self, id: &str, answer: Result<Plan, F>) {
        if id == self.chosen {
            self.plan = answer.map_or_else(Loading::Failed, Loading::Here);
        }
    }
}

#[cfg(test)]
mod tests;
