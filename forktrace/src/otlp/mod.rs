//! Records as OpenTelemetry has them: logs and metrics in OTLP/JSON (opentelemetry-proto's JSON mapping), and
//! the client that hands them to a collector.
//!
//! JSON, because serde_json is here already, and a record is sent once. The client is of the standard
//! library's: one request at a time to an address, without TLS and without looking names up, which static
//! programs can't do well; what is beyond that is the local collector's.

mod client;
mod logs;
mod metrics;

pub use client::{Client, Endpoint, SendError};
pub use logs::{Resource, logs};
pub use metrics::{Sums, metrics};

use serde_json::{Value, json};

use crate::model::time::timestamp;

/// An attribute; what has no value is none.
fn text(key: &str, value: Option<&str>) -> Option<Value> {
    let value = value?;
    Some(json!({"key": key, "value": {"stringValue": value}}))
}

/// 64-bit numbers are strings in protobuf's JSON.
fn number(key: &str, value: Option<u64>) -> Option<Value> {
    let value = value?.to_string();
    Some(json!({"key": key, "value": {"intValue": value}}))
}

/// Nanoseconds since the epoch, of a record's time.
fn nanoseconds(time: &str) -> String {
    timestamp(time)
        .map_or(0, |at| at.as_nanosecond())
        .max(0)
        .to_string()
}

fn scope() -> Value {
    json!({"name": "forktrace", "version": env!("CARGO_PKG_VERSION")})
}
