//! All that the marketplace page holds, so that it is as it was when somebody comes back to it.

use super::{Details, Hub, Loading, Offer, Package, Search};

/// How offers are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Arrangement {
    /// With pictures.
    #[default]
    Cards,
    /// A line each.
    List,
}

/// The marketplace.
#[derive(Debug, Clone, PartialEq)]
pub struct Market<F> {
    /// The hub that shows.
    pub hub: Hub,
    /// How its offers are laid out.
    pub arrangement: Arrangement,
    /// What is looked for on Hugging Face.
    pub hugging_face: Search<F>,
    /// What is looked for on CivitAI.
    pub civitai: Search<F>,
    /// The worker programs.
    pub packages: Loading<Vec<Package>, F>,
    /// The offer that is looked at more closely.
    pub details: Option<Details<F>>,
}

impl<F> Default for Market<F> {
    fn default() -> Self {
        Self {
            hub: Hub::default(),
            arrangement: Arrangement::default(),
            hugging_face: Search::new(Hub::HuggingFace),
            civitai: Search::new(Hub::CivitAi),
            packages: Loading::Idle,
            details: None,
        }
    }
}

impl<F> Market<F> {
    /// The search of a hub; `None` for the worker programs, which are a list.
    #[must_use]
    pub fn search(&self, hub: Hub) -> Option<&Search<F>> {
        match hub {
            Hub::HuggingFace => Some(&self.hugging_face),
            Hub::CivitAi => Some(&self.civitai),
            Hub::Workers => None,
        }
    }

    /// The same, to change it.
    pub fn search_mut(&mut self, hub: Hub) -> Option<&mut Search<F>> {
        match hub {
            Hub::HuggingFace => Some(&mut self.hugging_face),
            Hub::CivitAi => Some(&mut self.civitai),
            Hub::Workers => None,
        }
    }

    /// Shows a hub; what was looked at on another is closed.
    pub fn show(&mut self, hub: Hub) {
        self.hub = hub;
        self.details = None;
    }

    /// The offer of an id among those that show.
    #[must_use]
    pub fn offer(&self, id: &str) -> Option<&Offer> {
        match &self.search(self.hub)?.offers {
            Loading::Here(offers) => offers.iter().find(|offer| offer.id == id),
            _ => None,
        }
    }
}
