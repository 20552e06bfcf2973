//! Checks the time bounds of a request before its query runs, so that an error speaks of the bound and does not
//! point into the query.

use jiff::tz::TimeZone;
use taffrail_event::Timestamp;
use taffrail_query::QueryError;
use taffrail_query::language::resolve;

/// Whether both bounds are times.
pub fn check(earliest: Option<&str>, latest: Option<&str>, now: Timestamp) -> Result<(), QueryError> {
    for (name, bound) in [("earliest", earliest), ("latest", latest)] {
        if let Some(text) = bound.map(str::trim).filter(|text| !text.is_empty())
            && let Err(error) = resolve(text, now, &TimeZone::UTC)
        {
            return Err(QueryError { message: format!("{name}: {}", error.message), span: None, ..error });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;
    use taffrail_event::Timestamp;

    #[test]
    fn the_bound_is_named() {
        let now = Timestamp::from_seconds(1_000_000_000);
        assert!(check(Some("-24h@h"), Some("now"), now).is_ok());
        assert!(check(None, Some(" "), now).is_ok());
        let error = check(Some("-1d"), Some("soon"), now).expect_err("is no time");
        assert!(error.message.starts_with("latest: ") && error.span.is_none(), "{error:?}");
    }
}
