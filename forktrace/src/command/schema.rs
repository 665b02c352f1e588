//! `schema`: what the lines of forktrace's outputs hold.

use forktrace::{
    recording::{check_name, write_whole},
    view::{Look, formats},
};

use crate::{
    cli::{SchemaArgs, SchemaOf},
    exit::{Exit, UsageError},
};

pub(super) fn run(args: &SchemaArgs) -> anyhow::Result<Exit> {
    let is_schema = args.format.name == formats::SCHEMA[0].name;
    if args.of != SchemaOf::Records && !is_schema {
        let text = format!("--format {} is of records only", args.format.name);
        return Err(UsageError(text).into());
    }
    let schema = match args.of {
        SchemaOf::Records => forktrace::record::json_schema(),
        SchemaOf::Explanations => forktrace::cause::json_schema(),
        SchemaOf::LogLines => forktrace::program::json_schema(),
        SchemaOf::Selftest => forktrace::selftest::json_schema(),
        SchemaOf::Report => forktrace::report::json_schema(),
        SchemaOf::Check => forktrace::headroom::json_schema(),
        SchemaOf::Past => forktrace::headroom::past_schema(),
    };
    if is_schema {
        check_name(&args.output, &["json"])?;
    }
    let text = args.format.render(&schema, Look::PLAIN)?;
    write_whole(&args.output, args.force, &text)?;
    Ok(Exit::Done)
}
