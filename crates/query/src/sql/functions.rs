//! Functions that statements get beside DataFusion's. Those that are put in by [`super::rewrite`] do nothing to what
//! is no text, and are then taken out again while planning.

use crate::columns::{DYNAMIC, Values, parse_number};
use crate::language::search::Cidr;
use arrow::array::{Array, ArrayRef, AsArray, BooleanBuilder, Float64Builder, StringArray, StringBuilder};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::{ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::sync::{Arc, LazyLock};

/// What a function does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Kind {
    /// Text as a number, `NULL` where it is none.
    Number,
    /// Text as a key that sorts by value, numbers first.
    First,
    /// The same with numbers last.
    Last,
    /// The text of such a key.
    Of,
    /// Whether an address lies in a network.
    Cidr,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Ours {
    name: &'static str,
    kind: Kind,
    signature: Signature,
}

/// `number(x)`.
pub static NUMBER: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| made("number", Kind::Number, 1));
/// `by_value(x)`.
pub static BY_VALUE: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| made("by_value", Kind::First, 1));

/// All of them.
pub fn all() -> Vec<Arc<ScalarUDF>> {
    let more = [made("by_value_last", Kind::Last, 1), made("of_value", Kind::Of, 1), made("cidrmatch", Kind::Cidr, 2)];
    [NUMBER.clone(), BY_VALUE.clone()].into_iter().chain(more).collect()
}

fn made(name: &'static str, kind: Kind, arguments: usize) -> Arc<ScalarUDF> {
    let signature = Signature::any(arguments, Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(Ours { name, kind, signature }))
}

/// Whether values of a type are text, or of a type that only nothing has.
pub fn is_text(kind: &DataType) -> bool {
    match kind {
        DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View | DataType::Null => true,
        DataType::List(item) => *item.data_type() == DataType::Utf8,
        _ => false,
    }
}

impl Ours {
    /// Whether it does nothing to an argument of a type.
    fn leaves(&self, kind: &DataType) -> bool {
        match self.kind {
            Kind::Number | Kind::First | Kind::Last => !is_text(kind),
            Kind::Of => *kind != DataType::Utf8,
            Kind::Cidr => false,
        }
    }

    fn gives(&self, kind: &DataType) -> DataType {
        match self.kind {
            _ if self.leaves(kind) => kind.clone(),
            Kind::Number => DataType::Float64,
            // Keys are text: windows know no order of bytes.
            Kind::First | Kind::Last | Kind::Of => DataType::Utf8,
            Kind::Cidr => DataType::Boolean,
        }
    }
}

impl ScalarUDFImpl for Ours {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        Ok(self.gives(types.first().unwrap_or(&DataType::Null)))
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let given = args.arg_fields.first().map_or(&DataType::Null, |field| field.data_type());
        let field = Field::new(self.name, self.gives(given), true);
        let shown_as_number = self.kind == Kind::Of && !self.leaves(given);
        Ok(Arc::new(if shown_as_number { field.with_metadata([(DYNAMIC.to_owned(), String::new())].into()) } else { field }))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        if let [one] = &args.args[..]
            && self.leaves(&one.data_type())
        {
            return Ok(one.clone());
        }
        let constant = args.args.iter().all(|value| matches!(value, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let columns = args.args.iter().map(|value| value.to_array(rows)).collect::<Result<Vec<_>>>()?;
        let made = match self.kind {
            Kind::Number => numbers(&columns[0])?,
            Kind::First => keys(&columns[0], '0')?,
            Kind::Last => keys(&columns[0], '2')?,
            Kind::Of => texts(&columns[0])?,
            Kind::Cidr => in_networks(&columns[0], &columns[1])?,
        };
        if constant {
            return Ok(ColumnarValue::Scalar(datafusion::common::ScalarValue::try_from_array(&made, 0)?));
        }
        Ok(ColumnarValue::Array(made))
    }

    fn simplify(&self, mut args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        if args.len() == 1 && self.leaves(&info.get_data_type(&args[0])?) {
            return Ok(ExprSimplifyResult::Simplified(args.remove(0)));
        }
        Ok(ExprSimplifyResult::Original(args))
    }
}

fn plain(column: &ArrayRef) -> Result<ArrayRef> {
    Ok(match column.data_type() {
        DataType::Utf8 | DataType::List(_) => column.clone(),
        _ => arrow::compute::cast(column, &DataType::Utf8)?,
    })
}

fn numbers(column: &ArrayRef) -> Result<ArrayRef> {
    let column = plain(column)?;
    let mut out = Float64Builder::with_capacity(column.len());
    if let Some(texts) = column.as_string_opt::<i32>() {
        texts.iter().for_each(|text| out.append_option(text.and_then(parse_number)));
    } else {
        let values = Values::of(&column)?;
        (0..column.len()).for_each(|row| out.append_option(values.number(row)));
    }
    Ok(Arc::new(out.finish()))
}

/// Sixteen digits that sort as the numbers do.
fn ordered(number: f64) -> String {
    let bits = (number + 0.0).to_bits();
    format!("{:016x}", if bits >> 63 == 1 { !bits } else { bits | 1 << 63 })
}

/// The class of a value, its digits where it is a number, and its text.
fn keys(column: &ArrayRef, of_numbers: char) -> Result<ArrayRef> {
    let values = Values::of(&plain(column)?)?;
    let mut out = StringBuilder::new();
    let mut key = String::new();
    for row in 0..column.len() {
        let Some(text) = values.text(row) else {
            out.append_null();
            continue;
        };
        key.clear();
        match parse_number(&text) {
            Some(number) => {
                key.push(of_numbers);
                key.push_str(&ordered(number));
            }
            None => key.push('1'),
        }
        key.push_str(&text);
        out.append_value(&key);
    }
    Ok(Arc::new(out.finish()))
}

fn texts(column: &ArrayRef) -> Result<ArrayRef> {
    let keys = column.as_string::<i32>();
    let text = |key: &str| key.strip_prefix('1').or_else(|| key.get(17..)).unwrap_or_default().to_owned();
    Ok(Arc::new(keys.iter().map(|key| key.map(text)).collect::<StringArray>()))
}

fn in_networks(networks: &ArrayRef, addresses: &ArrayRef) -> Result<ArrayRef> {
    let (networks, addresses) = (crate::columns::to_text(networks)?, crate::columns::to_text(addresses)?);
    let mut out = BooleanBuilder::new();
    let mut last: Option<(String, Cidr)> = None;
    for (network, address) in networks.iter().zip(&addresses) {
        let (Some(network), Some(address)) = (network, address) else {
            out.append_null();
            continue;
        };
        let known = last.as_ref().filter(|(text, _)| text == network).map(|(_, cidr)| *cidr);
        let cidr = match known.or_else(|| Cidr::parse(network)) {
            Some(cidr) => cidr,
            None => {
                let error = crate::language::QueryError::new(format!("{network:?} is not a network"));
                return Err(DataFusionError::External(Box::new(error.with_hint("write it as 10.0.0.0/8 or 2001:db8::/32"))));
            }
        };
        if last.as_ref().is_none_or(|(text, _)| text != network) {
            last = Some((network.to_owned(), cidr));
        }
        out.append_value(cidr.contains(address));
    }
    Ok(Arc::new(out.finish()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn keys_sort_as_the_values_do(a in any::<f64>().prop_filter("a number", |n| !n.is_nan()), b in any::<f64>().prop_filter("a number", |n| !n.is_nan())) {
            if a < b {
                prop_assert!(ordered(a) < ordered(b));
            }
        }
    }

    #[test]
    fn a_key_holds_its_text() {
        let column: ArrayRef = Arc::new(StringArray::from(vec![Some("10"), Some("9.50"), Some("-"), None, Some("")]));
        for tag in ['0', '2'] {
            let back = texts(&keys(&column, tag).unwrap()).unwrap();
            assert_eq!(back.as_string::<i32>(), column.as_string::<i32>());
        }
    }
}
