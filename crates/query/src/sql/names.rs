//! Settles what the names in a statement mean, before it is planned.
//!
//! Events have no list of columns: each mention of a table of events becomes a table of its own, which has the fields
//! that the statement names there. Expressions are brought into the form whose meaning is that of fields ([`super::rewrite`]).

use super::rewrite;
use super::scope::{CORE, Columns, Mention, Relation, Scope, What, column_of, located, relation, resolve};
use super::text::{Places, Text};
use crate::language::suggest::nearest;
use crate::language::{QueryError, Span};
use datafusion::sql::sqlparser::ast::{
    Distinct, Expr, FunctionArg, FunctionArgExpr, GroupByExpr, Ident, JoinConstraint, JoinOperator, LimitClause, NamedWindowExpr,
    ObjectName, ObjectNamePart, OrderByKind, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, SetExpr, TableAlias, TableFactor,
    TableFunctionArgs, TableWithJoins, Value, VisitMut, VisitorMut,
};
use rustc_hash::{FxHashMap, FxHashSet};
use std::ops::ControlFlow;

/// The tables and functions that a statement may name.
#[derive(Clone, Debug, Default)]
pub struct Catalog {
    /// The indexes that have events.
    pub indexes: Vec<String>,
    /// The lookups, with their columns where these were asked for.
    pub lookups: FxHashMap<String, Vec<String>>,
    /// The searches that stand for tables: their columns, or none where they give events.
    pub searches: FxHashMap<String, Option<Vec<String>>>,
    /// The functions, in small letters.
    pub functions: FxHashSet<String>,
}

/// Table functions of the planner that read nothing.
const MAKES_ROWS: [&str; 2] = ["generate_series", "range"];

/// What the analysis of a statement found.
pub struct Names<'a> {
    catalog: &'a Catalog,
    places: Places<'a>,
    /// The mentions of tables.
    pub mentions: Vec<Mention>,
    scopes: Vec<Scope>,
    ctes: Vec<(String, Columns)>,
    /// Mentions that have to have the same fields: both sides of a `UNION` of all.
    alike: Vec<Vec<usize>>,
}

impl<'a> Names<'a> {
    /// For the statement in `text`.
    pub fn new(catalog: &'a Catalog, text: &'a Text) -> Self {
        Self { catalog, places: text.places(), mentions: Vec::new(), scopes: Vec::new(), ctes: Vec::new(), alike: Vec::new() }
    }

    /// Settles the names of a whole statement.
    pub fn settle(&mut self, query: &mut Query) -> Result<(), QueryError> {
        self.query(query)?;
        // Until nothing changes: a mention may stand in several groups.
        for _ in 0..self.alike.len().min(8) {
            for group in &self.alike {
                let fields: std::collections::BTreeSet<String> = group.iter().flat_map(|at| self.mentions[*at].fields.clone()).collect();
                group.iter().for_each(|at| self.mentions[*at].fields.clone_from(&fields));
            }
        }
        Ok(())
    }

    /// Groups of mentions that have to have the same fields.
    pub fn alike(&self) -> &[Vec<usize>] {
        &self.alike
    }

    fn query(&mut self, query: &mut Query) -> Result<Columns, QueryError> {
        let depth = self.ctes.len();
        if let Some(with) = &mut query.with {
            for cte in &mut with.cte_tables {
                let named: Vec<String> = cte.alias.columns.iter().map(|column| column.name.value.clone()).collect();
                if with.recursive {
                    if named.is_empty() {
                        return Err(self
                            .at(&cte.alias.name, "WITH RECURSIVE needs the names of its columns")
                            .with_hint("name(a, b) AS (...)"));
                    }
                    self.ctes.push((cte.alias.name.value.clone(), Columns::closed(named.clone())));
                }
                let scopes = std::mem::take(&mut self.scopes);
                let columns = self.query(&mut cte.query);
                self.scopes = scopes;
                let columns = self.renamed(columns?, &cte.alias)?;
                self.ctes.push((cte.alias.name.value.clone(), columns));
            }
        }
        let (columns, scope) = self.body(&mut query.body)?;
        self.scopes.push(scope);
        let rest = self.after(query);
        self.scopes.pop();
        self.ctes.truncate(depth);
        rest.map(|()| columns)
    }

    /// What stands after the body of a query: its order and limits.
    fn after(&mut self, query: &mut Query) -> Result<(), QueryError> {
        if let Some(order) = &mut query.order_by {
            match &mut order.kind {
                OrderByKind::Expressions(keys) => self.visit(keys, true)?,
                OrderByKind::All(_) => {}
            }
        }
        if let Some(LimitClause::LimitOffset { limit, offset, .. }) = &mut query.limit_clause {
            self.visit(limit, false)?;
            self.visit(offset, false)?;
        }
        let odd = query.for_clause.is_some() || !query.locks.is_empty() || query.settings.is_some() || query.format_clause.is_some();
        if odd || !query.pipe_operators.is_empty() {
            return Err(QueryError::new("a query ends with ORDER BY, LIMIT and OFFSET; what follows is not supported"));
        }
        Ok(())
    }

    fn body(&mut self, body: &mut SetExpr) -> Result<(Columns, Scope), QueryError> {
        match body {
            SetExpr::Select(select) => self.select(select),
            SetExpr::Query(query) => Ok(only_names(self.query(query)?)),
            SetExpr::SetOperation { left, right, .. } => {
                let (mut columns, _) = self.body(left)?;
                let (other, _) = self.body(right)?;
                if !columns.open.is_empty() || !other.open.is_empty() {
                    columns.open.extend(other.open);
                    self.alike.push(columns.open.clone());
                }
                Ok(only_names(columns))
            }
            SetExpr::Values(values) => {
                self.visit(values, false)?;
                let width = values.rows.first().map_or(0, |row| row.len());
                Ok(only_names(Columns::closed((1..=width).map(|at| format!("column{at}")).collect())))
            }
            _ => Err(super::refused("only SELECT, VALUES and WITH may stand in a query")),
        }
    }

    fn select(&mut self, select: &mut Select) -> Result<(Columns, Scope), QueryError> {
        if select.into.is_some() {
            return Err(super::refused("SELECT ... INTO writes a table, and a statement only reads"));
        }
        let mut scope = Scope::default();
        for from in &mut select.from {
            scope.relations.extend(self.tables(from)?);
        }
        scope.aliases = select.projection.iter().filter_map(alias_of).collect();
        self.scopes.push(scope);
        let outcome = self.clauses(select);
        let scope = self.scopes.pop().unwrap_or_default();
        Ok((outcome?, scope))
    }

    fn clauses(&mut self, select: &mut Select) -> Result<Columns, QueryError> {
        for from in &mut select.from {
            for join in &mut from.joins {
                self.join_condition(&mut join.join_operator)?;
            }
        }
        self.visit(&mut select.selection, false)?;
        let columns = self.projection(&mut select.projection)?;
        if let Some(Distinct::On(keys)) = &mut select.distinct {
            self.visit(keys, false)?;
        }
        if let GroupByExpr::Expressions(keys, _) = &mut select.group_by {
            self.visit(keys, true)?;
        }
        self.visit(&mut select.having, true)?;
        self.visit(&mut select.qualify, true)?;
        for window in &mut select.named_window {
            if let NamedWindowExpr::WindowSpec(spec) = &mut window.1 {
                self.visit(&mut spec.partition_by, false)?;
                self.visit(&mut spec.order_by, false)?;
                spec.order_by.iter_mut().for_each(|key| rewrite::by_value(&mut key.expr));
            }
        }
        let odd = !select.lateral_views.is_empty() || select.prewhere.is_some() || !select.connect_by.is_empty();
        if odd || !select.sort_by.is_empty() || !select.cluster_by.is_empty() || select.top.is_some() {
            return Err(
                QueryError::new("this form of SELECT is not supported").with_hint("use WHERE, GROUP BY, HAVING, ORDER BY and LIMIT")
            );
        }
        Ok(columns)
    }

    /// The columns that a projection gives; what has no name gets the text that was typed as its name.
    fn projection(&mut self, items: &mut [SelectItem]) -> Result<Columns, QueryError> {
        let mut columns = Columns::default();
        for item in items {
            match item {
                SelectItem::Wildcard(_) => {
                    for relation in self.scopes.last().map(|scope| scope.relations.clone()).unwrap_or_default() {
                        self.everything(&relation.columns, &mut columns);
                    }
                }
                SelectItem::QualifiedWildcard(SelectItemQualifiedWildcardKind::ObjectName(name), _) => {
                    let (alias, span) = self.last_of(name)?;
                    let found = relation(&self.scopes, &alias).cloned();
                    let found = found.ok_or_else(|| located(format!("there is no table {alias:?} here"), span))?;
                    *name = ObjectName::from(vec![quoted(&found.alias)]);
                    self.everything(&found.columns, &mut columns);
                }
                SelectItem::ExprWithAlias { expr, alias } => {
                    columns.known.push(alias.value.clone());
                    self.visit(expr, false)?;
                }
                SelectItem::UnnamedExpr(expr) => {
                    let typed = expr.to_string();
                    self.visit(expr, false)?;
                    let name = match &*expr {
                        Expr::Identifier(name) => name.value.clone(),
                        Expr::CompoundIdentifier(names) => names.last().map(|name| name.value.clone()).unwrap_or_default(),
                        _ => {
                            let expr = std::mem::replace(expr, rewrite::null());
                            *item = SelectItem::ExprWithAlias { expr, alias: quoted(&typed) };
                            typed
                        }
                    };
                    columns.known.push(name);
                }
                SelectItem::QualifiedWildcard(..) | SelectItem::ExprWithAliases { .. } => {
                    return Err(QueryError::new("this form of a column is not supported"));
                }
            }
        }
        Ok(columns)
    }

    fn everything(&mut self, of: &Columns, columns: &mut Columns) {
        columns.known.extend(of.known.iter().cloned());
        columns.open.extend(&of.open);
        columns.unknown |= of.unknown;
        of.open.iter().for_each(|at| self.mentions[*at].everything = true);
    }

    fn tables(&mut self, from: &mut TableWithJoins) -> Result<Vec<Relation>, QueryError> {
        let mut all = self.table(&mut from.relation)?;
        for join in &mut from.joins {
            let right = self.table(&mut join.relation)?;
            if let Some(JoinConstraint::Using(names)) = constraint(&mut join.join_operator) {
                for name in names {
                    let (column, span) = self.last_of(name)?;
                    for relation in all.iter().chain(&right) {
                        if relation.columns.known.contains(&column) {
                            continue;
                        }
                        for at in column_of(relation, &column, span)? {
                            self.mentions[at].fields.insert(column.clone());
                        }
                    }
                }
            }
            all.extend(right);
        }
        Ok(all)
    }

    fn join_condition(&mut self, operator: &mut JoinOperator) -> Result<(), QueryError> {
        match constraint(operator) {
            Some(JoinConstraint::On(condition)) => self.visit(condition, false),
            Some(JoinConstraint::Natural) => {
                let error = QueryError::new("NATURAL JOIN cannot tell which fields are meant: events can have any");
                Err(error.with_hint("write ON a.field = b.field, or USING (field)"))
            }
            Some(_) => Ok(()),
            None => Err(QueryError::new("this kind of join is not supported")),
        }
    }

    fn table(&mut self, factor: &mut TableFactor) -> Result<Vec<Relation>, QueryError> {
        match factor {
            TableFactor::Table { name, alias, args, .. } => Ok(vec![self.named_table(name, alias, args)?]),
            TableFactor::Derived { subquery, alias, lateral, .. } => {
                let scopes = if *lateral { None } else { Some(std::mem::take(&mut self.scopes)) };
                let columns = self.query(subquery);
                if let Some(scopes) = scopes {
                    self.scopes = scopes;
                }
                let mut relation = Relation { alias: String::new(), columns: columns? };
                if let Some(alias) = alias {
                    relation = Relation { alias: alias.name.value.clone(), columns: self.renamed(relation.columns, alias)? };
                }
                Ok(vec![relation])
            }
            TableFactor::NestedJoin { table_with_joins, .. } => {
                let relations = self.tables(table_with_joins)?;
                self.scopes.push(Scope { relations: relations.clone(), aliases: Vec::new() });
                let conditions = table_with_joins.joins.iter_mut().try_for_each(|join| self.join_condition(&mut join.join_operator));
                self.scopes.pop();
                conditions.map(|()| relations)
            }
            TableFactor::UNNEST { array_exprs, alias, .. } => {
                self.visit(array_exprs, false)?;
                Ok(vec![Relation { alias: alias_text(alias.as_ref()), columns: Columns { unknown: true, ..Columns::default() } }])
            }
            _ => {
                Err(QueryError::new("this kind of table is not supported")
                    .with_hint("use a table, a search('...') or a query in parentheses"))
            }
        }
    }

    fn named_table(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
        args: &mut Option<TableFunctionArgs>,
    ) -> Result<Relation, QueryError> {
        let (typed, span) = self.last_of(name)?;
        let shown = alias.as_ref().map_or_else(|| typed.clone(), |alias| alias.name.value.clone());
        if let Some(list) = args {
            if MAKES_ROWS.contains(&typed.to_lowercase().as_str()) {
                self.visit(&mut list.args, false)?;
                return Ok(Relation { alias: shown, columns: Columns { unknown: true, ..Columns::default() } });
            }
            if !typed.eq_ignore_ascii_case("search") {
                let error = located(format!("there is no function {typed:?} that gives a table"), span);
                return Err(error.with_hint("search('...'), generate_series and range do"));
            }
            let Some(text) = search_text(&list.args) else { return Err(search_form(span)) };
            let (what, columns) = match self.catalog.searches.get(&text).cloned().flatten() {
                Some(columns) => (What::Search(text), Columns::closed(columns)),
                None => (What::Found(text), self.events()),
            };
            *args = None;
            return self.mention(name, alias, shown, what, columns);
        }
        if let ([_], Some((_, columns))) = (&name.0[..], self.ctes.iter().rev().find(|(known, _)| *known == typed)) {
            return Ok(Relation { alias: shown, columns: columns.clone() });
        }
        let (what, columns) = self.stored(name, &typed, span)?;
        self.mention(name, alias, shown, what, columns)
    }

    /// The columns of the table of events that is mentioned next.
    fn events(&self) -> Columns {
        Columns { known: CORE.map(str::to_owned).to_vec(), open: vec![self.mentions.len()], unknown: false }
    }

    /// The table of a name: events, an index, a lookup.
    fn stored(&self, name: &ObjectName, typed: &str, span: Option<Span>) -> Result<(What, Columns), QueryError> {
        let kind = match &name.0[..] {
            [_] => None,
            [ObjectNamePart::Identifier(kind), _] => Some(kind.value.to_lowercase()),
            _ => return Err(located("a table has a name of at most two parts", span)),
        };
        if kind.as_deref().is_some_and(|kind| !["indexes", "lookups"].contains(&kind)) {
            return Err(located(format!("{name} is not a table"), span).with_hint("before the dot stands indexes or lookups"));
        }
        let of = |wanted: &str| kind.is_none() || kind.as_deref() == Some(wanted);
        if kind.is_none() && typed.eq_ignore_ascii_case("events") {
            return Ok((What::Events(None), self.events()));
        }
        if let Some(index) = same(typed, self.catalog.indexes.iter()).filter(|_| of("indexes")) {
            return Ok((What::Events(Some(index.clone())), self.events()));
        }
        let bare = typed.strip_suffix(".csv").unwrap_or(typed);
        if let Some(lookup) = same(bare, self.catalog.lookups.keys()).filter(|_| of("lookups")) {
            return Ok((What::Lookup(lookup.clone()), Columns::closed(self.catalog.lookups[lookup].clone())));
        }
        let known = self.catalog.indexes.iter().chain(self.catalog.lookups.keys()).map(String::as_str).chain(["events"]);
        let error = located(format!("there is no table {typed:?}"), span).with_suggestions(nearest(typed, known));
        Err(error.or_hint("tables are events, the indexes and the lookups: SHOW TABLES"))
    }

    /// Puts a name of its own in place of the table's, which becomes its alias.
    fn mention(
        &mut self,
        name: &mut ObjectName,
        alias: &mut Option<TableAlias>,
        shown: String,
        what: What,
        columns: Columns,
    ) -> Result<Relation, QueryError> {
        if let Some(alias) = alias.as_ref().filter(|alias| !alias.columns.is_empty() && !columns.open.is_empty()) {
            let error = self.at(&alias.name, "columns of events cannot be renamed here");
            return Err(error.with_hint("name them in a query in parentheses: (SELECT a AS b FROM events) AS t"));
        }
        let own = format!("table{}", self.mentions.len());
        *name = ObjectName::from(vec![quoted(&own)]);
        if alias.is_none() {
            *alias = Some(TableAlias { explicit: true, name: quoted(&shown), columns: Vec::new(), at: None });
        }
        self.mentions.push(Mention { name: own, what, fields: Default::default(), everything: false, searches: Vec::new() });
        let columns = match alias.as_ref().filter(|alias| !alias.columns.is_empty()) {
            Some(alias) => self.renamed(columns, alias)?,
            None => columns,
        };
        Ok(Relation { alias: shown, columns })
    }

    fn renamed(&self, columns: Columns, alias: &TableAlias) -> Result<Columns, QueryError> {
        if alias.columns.is_empty() {
            return Ok(columns);
        }
        if !columns.open.is_empty() {
            let error = self.at(&alias.name, "the columns of SELECT * cannot be renamed by their place");
            return Err(error.with_hint("name them instead of *"));
        }
        Ok(Columns { known: alias.columns.iter().map(|column| column.name.value.clone()).collect(), ..columns })
    }

    /// Settles the names in a part of the tree; with `aliases`, the names that the projection gives can be meant too.
    fn visit(&mut self, part: &mut impl VisitMut, aliases: bool) -> Result<(), QueryError> {
        match part.visit(&mut Visitor { names: self, aliases, depth: 0 }) {
            ControlFlow::Break(error) => Err(*error),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    fn last_of(&self, name: &ObjectName) -> Result<(String, Option<Span>), QueryError> {
        match name.0.last() {
            Some(ObjectNamePart::Identifier(ident)) => Ok((ident.value.clone(), self.places.of(ident.span))),
            _ => Err(QueryError::new(format!("{name} is not a name"))),
        }
    }

    fn at(&self, name: &Ident, message: &str) -> QueryError {
        located(message, self.places.of(name.span))
    }

    fn identifier(&mut self, name: &Ident, aliases: bool) -> Result<(), QueryError> {
        let found = resolve(&self.scopes, &name.value, aliases, self.places.of(name.span))?;
        for at in found {
            self.mentions[at].fields.insert(name.value.clone());
        }
        Ok(())
    }

    /// A name with dots: a table and its column, or a field whose name has dots.
    fn compound(&mut self, names: &[Ident], aliases: bool) -> Result<Expr, QueryError> {
        let joined = |names: &[Ident]| names.iter().map(|name| name.value.as_str()).collect::<Vec<_>>().join(".");
        let span = names.first().zip(names.last()).and_then(|(a, b)| Some(self.places.of(a.span)?.to(self.places.of(b.span)?)));
        if names.last().is_some_and(|name| name.value.starts_with(crate::exec::HIDDEN)) {
            return Ok(Expr::CompoundIdentifier(names.to_vec()));
        }
        if let Some(relation) = relation(&self.scopes, &names[0].value).cloned() {
            let column = joined(&names[1..]);
            for at in column_of(&relation, &column, span)? {
                self.mentions[at].fields.insert(column.clone());
            }
            return Ok(Expr::CompoundIdentifier(vec![quoted(&relation.alias), quoted(&column)]));
        }
        let whole = Ident { span: names[0].span, ..quoted(&joined(names)) };
        self.identifier(&whole, aliases)?;
        Ok(Expr::Identifier(whole))
    }

    /// `search('...')` as a condition: a hidden column of the events that it is about.
    fn condition(&mut self, args: &[FunctionArg], span: Option<Span>) -> Result<Expr, QueryError> {
        let (alias, rest) = match args {
            [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Identifier(alias))), rest @ ..] => (Some(alias.value.clone()), rest),
            // The alias was settled as a name with this one behind its dot, or as it is.
            all => (None, all),
        };
        let Some(text) = search_text(rest) else { return Err(search_form(span)) };
        let scope = self.scopes.last().cloned().unwrap_or_default();
        let open: Vec<&Relation> = scope.relations.iter().filter(|relation| !relation.columns.open.is_empty()).collect();
        let found = match &alias {
            Some(alias) => open.iter().find(|relation| relation.alias == *alias).copied(),
            None => open.first().copied().filter(|_| open.len() == 1),
        };
        let Some(found) = found else {
            let error = located("search('...') is about the events of one table of the FROM", span);
            return Err(error.with_hint("with several, write which one: search(a, '...')"));
        };
        let [at] = found.columns.open[..] else {
            return Err(located("search('...') cannot look behind a UNION", span).with_hint("write it into each part"));
        };
        let columns = &found.columns.known;
        if !CORE.iter().all(|core| columns.iter().any(|column| column == core)) {
            return Err(located("search('...') needs the events themselves", span).with_hint("write it where the events are read"));
        }
        let mention = &mut self.mentions[at];
        let number = mention.searches.iter().position(|known| *known == text).unwrap_or_else(|| {
            mention.searches.push(text);
            mention.searches.len() - 1
        });
        Ok(Expr::CompoundIdentifier(vec![quoted(&found.alias), quoted(&hidden(number))]))
    }
}

/// The name of the hidden column of a search.
pub fn hidden(number: usize) -> String {
    format!("{}search{number}", crate::exec::HIDDEN)
}

/// A name that stands for itself.
pub fn quoted(name: &str) -> Ident {
    Ident::with_quote('"', name)
}

/// The one of some names that a name means: itself, or the same in other letters.
fn same<'n>(typed: &str, names: impl Iterator<Item = &'n String> + Clone) -> Option<&'n String> {
    names.clone().find(|name| *name == typed).or_else(|| names.clone().find(|name| name.eq_ignore_ascii_case(typed)))
}

fn only_names(columns: Columns) -> (Columns, Scope) {
    let scope = Scope { relations: vec![Relation { alias: String::new(), columns: columns.clone() }], aliases: Vec::new() };
    (columns, scope)
}

fn alias_of(item: &SelectItem) -> Option<String> {
    match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        _ => None,
    }
}

fn alias_text(alias: Option<&TableAlias>) -> String {
    alias.map(|alias| alias.name.value.clone()).unwrap_or_default()
}

fn constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    use JoinOperator::{
        Anti, CrossJoin, FullOuter, Inner, Join, Left, LeftAnti, LeftOuter, LeftSemi, Right, RightAnti, RightOuter, RightSemi, Semi,
    };
    match operator {
        Join(c) | Inner(c) | Left(c) | LeftOuter(c) | Right(c) | RightOuter(c) | FullOuter(c) | CrossJoin(c) | Semi(c) | LeftSemi(c)
        | RightSemi(c) | Anti(c) | LeftAnti(c) | RightAnti(c) => Some(c),
        _ => None,
    }
}

/// The text of `search('...')`.
pub fn search_text(args: &[FunctionArg]) -> Option<String> {
    match args {
        [FunctionArg::Unnamed(FunctionArgExpr::Expr(Expr::Value(value)))] => match &value.value {
            Value::SingleQuotedString(text) => Some(text.clone()),
            _ => None,
        },
        _ => None,
    }
}

fn search_form(span: Option<Span>) -> QueryError {
    located("search takes one text: a query of the search language", span).with_hint("search('error host=web*')")
}

/// Walks through an expression; queries in it are settled as a whole, with their own scope.
struct Visitor<'n, 'a> {
    names: &'n mut Names<'a>,
    aliases: bool,
    depth: usize,
}

impl Visitor<'_, '_> {
    fn expression(&mut self, expr: &mut Expr) -> Result<(), QueryError> {
        match expr {
            Expr::Identifier(name) => return self.names.identifier(name, self.aliases),
            Expr::CompoundIdentifier(names) => {
                *expr = self.names.compound(&names.clone(), self.aliases)?;
                return Ok(());
            }
            _ => {}
        }
        if let Expr::Function(function) = expr {
            let (name, span) = self.names.last_of(&function.name)?;
            let name = name.to_lowercase();
            if !self.names.catalog.functions.contains(&name) {
                return Err(rewrite::unknown_function(&name, span, &self.names.catalog.functions));
            }
        }
        rewrite::expression(expr)
    }
}

impl VisitorMut for Visitor<'_, '_> {
    type Break = Box<QueryError>;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<Self::Break> {
        self.depth += 1;
        if self.depth > 1 {
            return ControlFlow::Continue(());
        }
        match self.names.query(query) {
            Ok(_) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<Self::Break> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        // Before its arguments: a table's name among them is no field.
        if let Some((args, name)) = rewrite::search_call(expr) {
            let span = self.names.places.of(name.span);
            return match self.names.condition(&args, span) {
                Ok(column) => {
                    *expr = column;
                    ControlFlow::Continue(())
                }
                Err(error) => ControlFlow::Break(Box::new(error)),
            };
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<Self::Break> {
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        match self.expression(expr) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(Box::new(error)),
        }
    }
}
