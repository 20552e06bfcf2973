//! The columns of a result as other programs get them: without those of the machinery, each nullable, types kept.

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use arrow::record_batch::RecordBatchOptions;
use std::io;
use std::sync::Arc;

/// Which columns are given, and in which types.
pub struct Shown {
    /// The columns as they are given.
    pub schema: SchemaRef,
    places: Vec<usize>,
}

impl Shown {
    /// The columns of batches of `schema` that rows have too.
    pub fn of(schema: &SchemaRef) -> Self {
        let names: Vec<String> = taffrail_query::rows::fields(schema).into_iter().map(|field| field.name).collect();
        let mut fields: Vec<Field> = Vec::new();
        let mut places = Vec::new();
        for (place, field) in schema.fields().iter().enumerate() {
            // Of two columns of one name, rows have one.
            if names.contains(field.name()) && fields.iter().all(|known| known.name() != field.name()) {
                let kind = if *field.data_type() == DataType::Null { DataType::Utf8 } else { field.data_type().clone() };
                fields.push(Field::new(field.name(), kind, true));
                places.push(place);
            }
        }
        Self { schema: Arc::new(Schema::new(fields)), places }
    }

    /// A batch as it is given.
    pub fn batch(&self, batch: &RecordBatch) -> io::Result<RecordBatch> {
        let column = |(place, field): (&usize, &Arc<Field>)| cast(batch.column(*place), field.data_type());
        let columns = self.places.iter().zip(self.schema.fields()).map(column).collect::<Result<Vec<_>, _>>();
        let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        columns.and_then(|columns| RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)).map_err(io::Error::other)
    }
}
