//! A schema of records as columns: the fields of all kinds of records side by side.

use serde_json::Value;

/// What a column holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Text.
    Text,
    /// True or false.
    Bool,
    /// Not negative, of 32 bits.
    Small,
    /// Not negative, of 64 bits.
    Large,
    /// Of 64 bits with a sign.
    Signed,
    /// A number with a fraction, of 64 bits.
    Float,
    /// Any number of one kind.
    List(Box<Self>),
    /// From text.
    Map(Box<Self>),
    /// Fields by name.
    Struct(Vec<Column>),
}

/// A field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// Its name, as in the record.
    pub name: String,
    /// What it holds.
    pub kind: Kind,
}

/// The fields of a record, whichever it is.
pub fn columns(schema: &Value) -> Vec<Column> {
    let mut all: Vec<Column> = Vec::new();
    let kinds = schema["oneOf"].as_array();
    let kinds = kinds.map_or(std::slice::from_ref(schema), |kinds| kinds);
    for kind in kinds {
        for column in fields(schema, kind) {
            if all.iter().all(|there| there.name != column.name) {
                all.push(column);
            }
        }
    }
    all
}

fn fields(root: &Value, object: &Value) -> Vec<Column> {
    let own = object["properties"].as_object().into_iter().flatten();
    let mut all: Vec<Column> = own
        .map(|(name, schema)| Column {
            name: name.clone(),
            kind: kind(root, schema),
        })
        .collect();
    if let Some(other) = definition(root, object) {
        all.extend(fields(root, other));
    }
    all
}

fn definition<'v>(root: &'v Value, schema: &Value) -> Option<&'v Value> {
    root.pointer(schema["$ref"].as_str()?.strip_prefix('#')?)
}

fn kind(root: &Value, schema: &Value) -> Kind {
    if let Some(schema) = definition(root, schema) {
        return kind(root, schema);
    }
    if let Some(any) = schema["anyOf"].as_array() {
        let value = any.iter().find(|one| one["type"] != "null");
        return value.map_or(Kind::Text, |value| kind(root, value));
    }
    let types = match &schema["type"] {
        Value::Array(types) => types.as_slice(),
        one => std::slice::from_ref(one),
    };
    let found = types
        .iter()
        .filter_map(Value::as_str)
        .find(|t| *t != "null");
    match found {
        Some("boolean") => Kind::Bool,
        Some("number") => Kind::Float,
        Some("integer") => match schema["format"].as_str() {
            Some("uint8" | "uint16" | "uint32") => Kind::Small,
            Some("uint64") => Kind::Large,
            _ => Kind::Signed,
        },
        Some("array") => Kind::List(Box::new(kind(root, &schema["items"]))),
        Some("object") => match &schema["additionalProperties"] {
            of @ Value::Object(_) => Kind::Map(Box::new(kind(root, of))),
            _ => Kind::Struct(fields(root, schema)),
        },
        // Words are strings, however many there are of them.
        _ => Kind::Text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A field of one kind of record is of the same type in every other, for a column has one.
    #[test]
    fn a_name_is_of_one_type_in_all_records() {
        let schema = crate::record::json_schema();
        let columns = columns(&schema);
        for record in schema["oneOf"].as_array().unwrap() {
            for field in fields(&schema, record) {
                let column = columns.iter().find(|c| c.name == field.name).unwrap();
                assert_eq!(column.kind, field.kind, "{}", field.name);
            }
        }
        let kind = |name: &str| {
            columns
                .iter()
                .find(|c| c.name == name)
                .unwrap()
                .kind
                .clone()
        };
        assert_eq!(kind("seq"), Kind::Large);
        assert_eq!(kind("errno"), Kind::Text);
        assert_eq!(kind("causes"), Kind::Map(Box::new(Kind::Large)));
        let Kind::Struct(limit) = kind("limit") else {
            panic!("a limit has fields");
        };
        assert!(limit.contains(&Column {
            name: "value".to_owned(),
            kind: Kind::Large
        }));
        assert_eq!(
            kind("candidates"),
            Kind::List(Box::new(Kind::Struct(limit)))
        );
    }
}
