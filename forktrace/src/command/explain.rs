//! `explain`: the catalogue of causes, from the program itself.

use std::io::{self, Write as _};

use forktrace::{
    cause::{Line, Page, pages},
    record::write_line,
    view,
};

use super::terminal;
use crate::{
    cli::{ExplainArgs, PageFormat},
    exit::Exit,
};

pub fn run(args: &ExplainArgs) -> anyhow::Result<Exit> {
    let page = args.cause.map(|c| c.page());
    let text = match args.format {
        PageFormat::Text => text(page, terminal::colours(args.color)).into_bytes(),
        PageFormat::Json => json(page)?,
        PageFormat::Markdown => page.map_or_else(view::document, view::section).into_bytes(),
    };
    // A closed pipe is an error here, and status 0 in the end.
    let mut out = io::stdout().lock();
    out.write_all(&text)?;
    out.flush()?;
    Ok(Exit::Done)
}

fn text(page: Option<&Page>, colours: bool) -> String {
    let width = terminal::width();
    match page {
        Some(page) => view::page(page, colours, width),
        None => view::list(colours),
    }
}

fn json(page: Option<&Page>) -> anyhow::Result<Vec<u8>> {
    let mut lines = Vec::new();
    for page in page.map_or_else(|| pages().collect(), |page| vec![page]) {
        write_line(&mut lines, &Line::Explanation(page))?;
    }
    Ok(lines)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_is_one_object_a_line_with_what_the_schema_promises() {
        let lines = String::from_utf8(json(None).unwrap()).unwrap();
        assert_eq!(lines.lines().count(), pages().count());
        let schema = forktrace::cause::json_schema();
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
        let one = json(pages().next()).unwrap();
        assert!(lines.as_bytes().starts_with(&one));
    }
}
