//! Metrics over HTTP: `GET /metrics` in Prometheus' text format, on the loopback address
//! `daemon.metrics`.
//!
//! Every local program can read them, whatever the access rules say: so they hold numbers and the
//! names of instances, and nothing of channels, callers or payloads. They are collected on each
//! request; nothing is kept for them.

mod exposition;
mod families;
mod instances;
mod process;
mod server;
mod web;

pub(super) use families::Metrics;
pub(super) use server::MetricsServer;
