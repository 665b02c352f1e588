//! Enums that records write as a word.

/// Makes an enum whose variants are words in records. A word that this version doesn't know, from a
/// recording of a newer one, is kept as `Other`, so that the record stays readable and is written
/// again as it was.
macro_rules! words {
    (
        $(#[$about:meta])*
        pub enum $name:ident {
            $($(#[$doc:meta])* $variant:ident = $word:literal,)*
        }
    ) => {
        $(#[$about])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum $name {
            $($(#[$doc])* $variant,)*
            /// A word of another version.
            Other(String),
        }

        impl $name {
            /// Every one that this version knows, in the order of their definition.
            pub const ALL: &[Self] = &[$(Self::$variant,)*];

            /// The word, as records have it.
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant => $word,)*
                    Self::Other(word) => word,
                }
            }
        }

        impl From<&str> for $name {
            fn from(word: &str) -> Self {
                match word {
                    $($word => Self::$variant,)*
                    other => Self::Other(other.to_owned()),
                }
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(self.name())
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.name())
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                crate::model::by_text(deserializer)
            }
        }

        /// A string: a reader must not fail at a word that is added later.
        #[cfg(test)]
        impl schemars::JsonSchema for $name {
            fn inline_schema() -> bool {
                true
            }

            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
                String::json_schema(generator)
            }
        }
    };
}

pub(crate) use words;

#[cfg(test)]
mod tests {
    use crate::model::{HolderKind, LimitKind, LossReason};

    /// In JSON and back, of every variant and of an unknown word.
    macro_rules! comes_back {
        ($name:ident) => {
            let other = $name::Other("of a newer version".to_owned());
            for word in $name::ALL.iter().chain([&other]) {
                let text = serde_json::to_string(word).unwrap();
                assert_eq!(text, format!("\"{word}\""));
                assert_eq!(serde_json::from_str::<$name>(&text).unwrap(), *word);
            }
            let words: std::collections::BTreeSet<_> =
                $name::ALL.iter().map(|word| word.name()).collect();
            assert_eq!(words.len(), $name::ALL.len(), "two variants are one word");
        };
    }

    #[test]
    fn words_come_back_from_a_record() {
        comes_back!(HolderKind);
        comes_back!(LimitKind);
        comes_back!(LossReason);
    }
}
