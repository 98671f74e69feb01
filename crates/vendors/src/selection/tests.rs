//! Listings of well-known repositories, and properties of any.
