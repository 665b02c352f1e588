//! The table that rows become: its columns, typed and nested as `forktrace::flat` has them, and its row groups.

use std::{
    io::{self, Write},
    sync::Arc,
};

use arrow_json::{ReaderBuilder, reader::Decoder};
use arrow_schema::{ArrowError, DataType, Field, FieldRef, Fields, Schema, TimeUnit};
use forktrace::flat::{
    Row,
    columns::{Column, Kind, columns},
    json_schema,
};
use parquet::{
    arrow::{ArrowWriter, arrow_writer::ArrowWriterOptions},
    basic::Compression,
    errors::ParquetError,
    file::properties::WriterProperties,
};

/// Rows that are handed on together.
const BATCH: usize = 1024;
/// A row group ends with its day, when it has this many rows.
const LEAST: usize = 1024;
/// And at this many in any case: it is in memory until then.
const MOST: usize = 1 << 16;

/// Columns that are points in time, UTC.
const TIMES: [&str; 3] = ["session", "time", "last"];

/// Why a row could not be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TableError {
    #[error("making columns of a record")]
    Columns(#[from] ArrowError),
    #[error("making Parquet of a record")]
    Parquet(#[source] ParquetError),
    /// Of the file, which it names.
    #[error(transparent)]
    Write(io::Error),
}

impl From<ParquetError> for TableError {
    fn from(error: ParquetError) -> Self {
        let ParquetError::External(error) = error else {
            return Self::Parquet(error);
        };
        match error.downcast::<io::Error>() {
            Ok(error) => Self::Write(*error),
            Err(other) => Self::Parquet(ParquetError::External(other)),
        }
    }
}

/// A table being written.
pub(crate) struct Table<W: Write + Send> {
    decoder: Decoder,
    /// Rows that the decoder has.
    waiting: usize,
    writer: ArrowWriter<W>,
    rows: u64,
    /// Rows of this group, and their day.
    group: usize,
    day: Option<String>,
}

impl<W: Write + Send> Table<W> {
    pub(crate) fn new(to: W) -> Result<Self, TableError> {
        let schema = Arc::new(Schema::new(fields(&columns(&json_schema()), true)));
        let decoder = ReaderBuilder::new(Arc::clone(&schema))
            .with_batch_size(BATCH)
            .build_decoder()?;
        let properties = WriterProperties::builder()
            .set_compression(Compression::ZSTD(Default::default()))
            .set_created_by(format!("forktrace {}", env!("CARGO_PKG_VERSION")))
            .build();
        // Types are Parquet's own: what Arrow would add tells its readers nothing more.
        let options = ArrowWriterOptions::new()
            .with_properties(properties)
            .with_skip_arrow_metadata(true);
        Ok(Self {
            decoder,
            waiting: 0,
            writer: ArrowWriter::try_new_with_options(to, schema, options)?,
            rows: 0,
            group: 0,
            day: None,
        })
    }

    /// Appends a row.
    pub(crate) fn write(&mut self, row: &Row<'_>) -> Result<(), TableError> {
        let day = row.time.as_deref().and_then(|time| time.get(..10));
        let turns = day.is_some() && day != self.day.as_deref();
        if (turns && self.group >= LEAST) || self.group >= MOST {
            self.hand_on()?;
            self.writer.flush()?;
            self.group = 0;
        }
        if turns {
            self.day = day.map(str::to_owned);
        }
        self.decoder.serialize(std::slice::from_ref(row))?;
        self.waiting += 1;
        self.group += 1;
        self.rows += 1;
        match self.waiting >= BATCH {
            true => self.hand_on(),
            false => Ok(()),
        }
    }

    fn hand_on(&mut self) -> Result<(), TableError> {
        self.waiting = 0;
        if let Some(batch) = self.decoder.flush()? {
            self.writer.write(&batch)?;
        }
        Ok(())
    }

    /// What it was written to, with all of it, and how many rows there are.
    pub(crate) fn finish(mut self) -> Result<(W, u64), TableError> {
        self.hand_on()?;
        Ok((self.writer.into_inner()?, self.rows))
    }
}

fn fields(columns: &[Column], at_top: bool) -> Fields {
    let field = |Column { name, kind }: &Column| {
        let of = match at_top && TIMES.contains(&&**name) {
            // Spark reads no nanoseconds. By its offset: the names of zones would be a database.
            true => DataType::Timestamp(TimeUnit::Microsecond, Some("+00:00".into())),
            false => data_type(kind),
        };
        Field::new(name, of, true)
    };
    columns.iter().map(field).collect()
}

fn data_type(kind: &Kind) -> DataType {
    let element = |of: &Kind| -> FieldRef { Arc::new(Field::new("element", data_type(of), true)) };
    match kind {
        Kind::Text => DataType::Utf8,
        Kind::Bool => DataType::Boolean,
        Kind::Small => DataType::UInt32,
        Kind::Large => DataType::UInt64,
        Kind::Signed => DataType::Int64,
        Kind::Float => DataType::Float64,
        Kind::List(of) => DataType::List(element(of)),
        Kind::Map(of) => {
            let entry = Fields::from(vec![
                Field::new("key", DataType::Utf8, false),
                Field::new("value", data_type(of), true),
            ]);
            DataType::Map(
                Arc::new(Field::new("key_value", DataType::Struct(entry), false)),
                false,
            )
        }
        Kind::Struct(columns) => DataType::Struct(fields(columns, false)),
    }
}

#[cfg(test)]
mod tests {
    use arrow_array::{Array as _, StructArray, TimestampMicrosecondArray, UInt64Array};
    use forktrace::model::{Limit, LimitKind, Owner, Unit};
    use parquet::{
        arrow::arrow_reader::ParquetRecordBatchReaderBuilder,
        file::reader::{ChunkReader, Length},
    };

    use super::*;

    /// What is read back: rows of each group, and the batches.
    fn write(rows: &[Row<'_>]) -> (Vec<i64>, Vec<arrow_array::RecordBatch>) {
        let file = tempfile::tempfile().unwrap();
        let mut table = Table::new(file.try_clone().unwrap()).unwrap();
        for row in rows {
            table.write(row).unwrap();
        }
        let (_, count) = table.finish().unwrap();
        assert_eq!(count, rows.len() as u64);
        assert!(file.len() > 0 && file.get_read(0).is_ok());
        let reader = ParquetRecordBatchReaderBuilder::try_new(file).unwrap();
        let groups = reader.metadata().row_groups().iter();
        let groups = groups.map(|group| group.num_rows()).collect();
        let batches = reader.build().unwrap().map(Result::unwrap).collect();
        (groups, batches)
    }

    #[test]
    fn numbers_times_and_what_is_nested_are_exact() {
        let mut limit = Limit::new(LimitKind::PidsMax, Owner::cgroup("/a"), Unit::Tasks);
        limit.value = Some(u64::MAX);
        let full = Row {
            kind: "failure",
            failures: (1 << 53) + 1,
            time: Some("2026-11-29T23:59:59.123456789Z".to_owned()),
            limit: Some(&limit),
            candidates: std::slice::from_ref(&limit),
            ..Row::default()
        };
        let (groups, batches) = write(&[Row::default(), full]);
        assert_eq!(groups, [2]);
        let batch = &batches[0];
        let column = |name| batch.column_by_name(name).unwrap();
        let failures: &UInt64Array = column("failures").as_any().downcast_ref().unwrap();
        assert_eq!(failures.value(1), (1 << 53) + 1);
        let time: &TimestampMicrosecondArray = column("time").as_any().downcast_ref().unwrap();
        assert_eq!(time.value(1), 1_795_996_799_123_456);
        assert!(time.is_null(0));
        let limit: &StructArray = column("limit").as_any().downcast_ref().unwrap();
        assert!(limit.is_null(0));
        let value = limit.column_by_name("value").unwrap();
        let value: &UInt64Array = value.as_any().downcast_ref().unwrap();
        assert_eq!(value.value(1), u64::MAX);
    }

    #[test]
    fn a_row_group_is_of_one_day_unless_it_would_be_small() {
        let rows = |days: &[(u32, usize)]| {
            let rows = days.iter().flat_map(|(day, count)| {
                let row = move || Row {
                    kind: "failure",
                    time: Some(format!("2026-11-{day:02}T00:00:00Z")),
                    ..Row::default()
                };
                std::iter::repeat_with(row).take(*count)
            });
            write(&rows.collect::<Vec<_>>()).0
        };
        assert_eq!(
            rows(&[(1, 2000), (2, 1500), (3, 7), (4, 9)]),
            [2000, 1500, 16]
        );
        assert_eq!(rows(&[(1, MOST + 10)]), [MOST as i64, 10]);
    }
}
