//! JSON Schema.

use serde_json::Value;

use crate::view::output::{Format, How};

pub(crate) const FORMAT: Format<Value> = Format {
    name: "json-schema",
    about: "JSON Schema",
    for_people: true,
    how: How::Document(|schema, _| format!("{schema:#}\n")),
};
