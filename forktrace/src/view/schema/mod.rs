//! The schema of what is printed: itself, and the columns that it gives engines which would guess them
//! from the first lines.

pub(super) mod clickhouse;
pub(super) mod duckdb;
pub(super) mod jq;
pub(super) mod json;
pub(super) mod polars;
pub(super) mod spark;
