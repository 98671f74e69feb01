//! The provisioner, whole: over gRPC, with a real catalog, a real store and scripted hubs.

#[cfg(test)]
mod catalog_away;
#[cfg(test)]
mod front;
#[cfg(unix)]
#[cfg(test)]
mod install;
#[cfg(test)]
mod jobs;
#[cfg(test)]
mod killed;
#[cfg(test)]
mod models;
#[cfg(test)]
mod process;
#[cfg(test)]
mod pull;
#[cfg(test)]
mod restart;
#[cfg(test)]
mod running;
#[cfg(test)]
mod scripted;
#[cfg(test)]
mod tokens;
#[cfg(test)]
mod upkeep;
#[cfg(unix)]
#[cfg(test)]
mod workers;
