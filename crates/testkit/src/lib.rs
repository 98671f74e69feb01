//! Process harness, OTLP collector, scripted hubs and fixtures for the tests of the services.

pub mod collector;
pub mod control_group;
pub mod exposition;
pub mod hub;
pub mod models;
pub mod relay;
pub mod s3;
pub mod scripted_worker;
