//! Process harness, OTLP collector, scripted hubs and fixtures for the tests of the services.

pub mod collector;
pub mod exposition;
pub mod hub;
pub mod models;
pub mod scripted_worker;
