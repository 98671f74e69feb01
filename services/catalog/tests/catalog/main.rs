//! The catalog's services, whole: over gRPC, on a real store.

#[cfg(test)]
mod killed;
#[cfg(test)]
mod models;
#[cfg(test)]
mod process;
#[cfg(test)]
mod registry;
#[cfg(test)]
mod running;
#[cfg(test)]
mod worker_binaries;
