//! The provisioner, whole: over gRPC, with a real catalog and a real store.

#[cfg(test)]
mod catalog_away;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod models;
#[cfg(test)]
mod process;
#[cfg(test)]
mod running;
#[cfg(unix)]
#[cfg(test)]
mod workers;
