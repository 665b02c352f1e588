//! The JSON Schemas of what forktrace prints, as `forktrace/schema/` publishes them. The tests make them of
//! the types; the program holds their text, which is a tenth of the code that makes it.

use serde_json::Value;

use super::packed::unpack;

/// A schema of `forktrace/schema/`.
#[derive(Clone, Copy)]
pub(crate) struct Published {
    /// The file's name, without `.json`.
    #[cfg(test)]
    name: &'static str,
    /// The file, packed by build.rs.
    packed: &'static [u8],
}

macro_rules! published {
    ($($(#[$doc:meta])* $name:ident = $file:literal;)*) => {
        $(
            $(#[$doc])*
            pub(crate) const $name: Published = Published {
                #[cfg(test)]
                name: $file,
                packed: include_bytes!(concat!(env!("OUT_DIR"), "/", $file, ".schema.gz")),
            };
        )*
    };
}

published! {
    /// Of the lines of `live`, `record` and `replay`, and of recordings.
    RECORDS = "records";
    /// Of the lines of `explain CAUSE`.
    EXPLANATIONS = "explanations";
    /// Of the lines of `explain` about logs.
    LOG_LINES = "log-lines";
    /// Of the lines of `selftest`.
    SELFTEST = "selftest";
    /// Of the rows of `convert`.
    ROWS = "rows";
    /// Of the document of `report`.
    REPORT = "report";
    /// Of the document of `check`.
    CHECK = "check";
    /// Of the document of `check --past`.
    PAST = "past";
}

impl Published {
    /// The schema.
    pub(crate) fn value(self) -> Value {
        let text = unpack(self.packed).expect("the build packed it");
        serde_json::from_slice(&text).expect("the tests compare it with the types")
    }

    /// Fails when the file isn't what the types give; with FORKTRACE_GOLDEN=write it is written anew.
    #[cfg(test)]
    pub(crate) fn is_of(self, types: schemars::Schema) {
        let path = format!("{}/schema/{}.json", env!("CARGO_MANIFEST_DIR"), self.name);
        let types = types.to_value();
        if std::env::var_os("FORKTRACE_GOLDEN").is_some_and(|how| how == "write") {
            let text = serde_json::to_string_pretty(&types).unwrap();
            std::fs::write(&path, text + "\n").unwrap();
            return;
        }
        let text = std::fs::read_to_string(&path).unwrap_or_default();
        let file: Value = serde_json::from_str(&text).unwrap_or_default();
        assert!(
            file == types,
            "{path} isn't the schema of the types: FORKTRACE_GOLDEN=write cargo test -p forktrace --lib schema"
        );
        assert_eq!(self.value(), types, "{path} is newer than this build");
    }
}
