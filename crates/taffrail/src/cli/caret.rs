//! Draws a query error: the line of the query, a caret under the word, the way out.

use std::fmt::Write;

/// What is wrong with a query, from the engine or from a server's answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct QueryProblem {
    /// What is wrong.
    pub message: String,
    /// Where: byte offsets into the query.
    pub span: Option<(usize, usize)>,
    /// What to do.
    pub hint: Option<String>,
    /// What may have been meant.
    pub suggestions: Vec<String>,
}

/// The problem as text for a terminal.
pub fn draw(query: &str, problem: &QueryProblem, colour: bool) -> String {
    let (red, bold, reset) = if colour { ("\x1b[31m", "\x1b[1m", "\x1b[0m") } else { ("", "", "") };
    let mut text = format!("{red}error{reset}{bold}: {}{reset}\n", super::terminal::neutral(&problem.message));
    if let Some((start, end)) = problem.span {
        let start = floor(query, start);
        let end = floor(query, end).max(start);
        let line_start = query[..start].rfind('\n').map_or(0, |at| at + 1);
        let line_end = query[start..].find('\n').map_or(query.len(), |at| start + at);
        let line = &query[line_start..line_end];
        let before =
            super::terminal::neutral(&query[line_start..start]).chars().map(|c| if c == '\t' { '\t' } else { ' ' }).collect::<String>();
        let marked = query[start..end.min(line_end)].chars().count().max(1);
        let _ = writeln!(text, "  {}", super::terminal::neutral(line));
        let _ = writeln!(text, "  {before}{red}{}{reset}", "^".repeat(marked));
    }
    // The engine makes suggestions its hint where it has no other.
    let said = problem.hint.as_ref().is_some_and(|h| h.starts_with("did you mean"));
    match problem.suggestions.as_slice() {
        [] => {}
        _ if said => {}
        [one] => {
            let _ = writeln!(text, "  did you mean {bold}{one}{reset}?");
        }
        many => {
            let _ = writeln!(text, "  did you mean one of: {}?", many.join(", "));
        }
    }
    if let Some(hint) = &problem.hint {
        let _ = writeln!(text, "  hint: {hint}");
    }
    text.truncate(text.trim_end().len());
    text
}

/// The nearest character boundary at or before `at`.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_caret_stands_under_the_word() {
        let problem = QueryProblem {
            message: "unknown command `stas`".into(),
            span: Some((7, 11)),
            hint: Some("`| stats count by host` counts".into()),
            suggestions: vec!["stats".into()],
        };
        let text = draw("fail | stas count", &problem, false);
        assert_eq!(
            text,
            "error: unknown command `stas`\n  fail | stas count\n         ^^^^\n  did you mean stats?\n  hint: `| stats count by host` counts"
        );
    }

    #[test]
    fn only_the_line_is_shown_and_offsets_are_forgiven() {
        let problem = QueryProblem { message: "no".into(), span: Some((9, 400)), ..QueryProblem::default() };
        assert_eq!(draw("é one\n| é two", &problem, false), "error: no\n  | é two\n    ^^^^^");
        let end = QueryProblem { message: "unfinished".into(), span: Some((100, 100)), ..QueryProblem::default() };
        assert_eq!(draw("a (", &end, false), "error: unfinished\n  a (\n     ^");
    }
}
