//! Pages as lines of JSON.

use std::io;

use super::Explained;
use crate::{
    cause::{Line, Page, pages},
    view::{
        json::Lines,
        output::{Format, How, Look, Out, Output},
    },
};

pub(crate) const FORMAT: Format<Explained> = Format {
    name: "json",
    about: "One JSON object a line, one for each cause",
    for_people: false,
    how: How::Stream(open),
};

fn open<'a>(out: Out<'a>, _: Look) -> Box<dyn Output<Explained> + 'a> {
    Box::new(Json(Lines::new(out)))
}

struct Json<'a>(Lines<'a>);

impl Json<'_> {
    fn page(&mut self, page: &Page) -> io::Result<()> {
        self.0.show(&Line::Explanation(page))
    }
}

impl Output<Explained> for Json<'_> {
    fn show(&mut self, explained: &Explained) -> io::Result<()> {
        match explained {
            Explained::All => pages().try_for_each(|page| self.page(page)),
            Explained::One(page) => self.page(page),
            Explained::Several(pages) | Explained::Each(pages) => {
                pages.iter().try_for_each(|page| self.page(page))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(explained: Explained) -> String {
        let bytes = FORMAT.render(&explained, Look::PLAIN).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn json_is_one_object_a_line_with_what_the_schema_promises() {
        let lines = json(Explained::All);
        assert_eq!(lines.lines().count(), pages().count());
        let schema = crate::cause::json_schema();
        assert_eq!(
            schema["oneOf"][0]["properties"]["type"]["const"],
            "explanation"
        );
        let required = schema["$defs"]["Page"]["required"].as_array().unwrap();
        let known = schema["$defs"]["Page"]["properties"].as_object().unwrap();
        for (line, page) in lines.lines().zip(pages()) {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(value["type"], "explanation");
            assert_eq!(value["cause"], page.cause.id());
            for name in required {
                assert!(value.get(name.as_str().unwrap()).is_some(), "{name}");
            }
            for name in value.as_object().unwrap().keys().filter(|n| *n != "type") {
                assert!(known.contains_key(name), "{name}");
            }
        }
        let first = pages().next().unwrap();
        assert!(lines.starts_with(&json(Explained::One(first))));
    }
}
