// Changes a query the way a click means it, and finds out what it looks for. Text in, text out.
import { tokenize, type Token } from './tokens';

/** Commands after which rows are no longer events. */
const TRANSFORMING = new Set(['stats', 'timechart', 'chart', 'top', 'rare', 'table']);

export interface Segment {
  from: number;
  to: number;
  text: string;
  /** Lower case; the first one without a name is `search`. */
  command: string;
}

/** The commands of a query, in order. */
export function segments(query: string): Segment[] {
  const pipes: number[] = [];
  let depth = 0;
  for (const token of tokenize(query)) {
    const text = query.slice(token.from, token.to);
    if (text === '[') depth += 1;
    else if (text === ']') depth -= 1;
    else if (token.kind === 'pipe' && depth <= 0) pipes.push(token.from);
  }
  const found: Segment[] = [];
  let from = 0;
  for (const end of [...pipes, query.length]) {
    const text = query.slice(from, end);
    const leading = from === 0;
    const name = /^\s*([A-Za-z_]+)/.exec(text)?.[1]?.toLowerCase() ?? '';
    if (!(leading && end !== query.length && text.trim() === '')) {
      found.push({ from, to: end, text, command: leading ? 'search' : name });
    }
    from = end + 1;
  }
  return found;
}

/** Whether the result is a table and not events. */
export function isTransforming(query: string): boolean {
  return segments(query).slice(1).some((segment) => TRANSFORMING.has(segment.command));
}

/** The query cut before its first transforming command: the events behind a table. */
export function eventsBehind(query: string): string {
  const first = segments(query).slice(1).find((segment) => TRANSFORMING.has(segment.command));
  return (first ? query.slice(0, Math.max(0, first.from - 1)) : query).trim();
}

/** A value as it must stand after `=` in a search. */
export function quoteValue(value: string): string {
  return `"${value.replace(/\\/g, '\\\\').replace(/"/g, '\\"')}"`;
}

function fieldName(name: string): string {
  return /^[\w.@:{}-]+$/.test(name) ? name : `"${name}"`;
}

/** The term that a value of a field stands for. */
export function fieldTerm(field: string, value: string): string {
  const plain = /^[\w./@-]+$/.test(value) && !['AND', 'OR', 'NOT', 'IN'].includes(value);
  return `${fieldName(field)}=${plain ? value : quoteValue(value)}`;
}

/** The term for events of these patterns of the store. */
export function patternTerm(ids: readonly string[]): string {
  return ids.length === 1 ? `_pattern="${ids[0]}"` : `_pattern IN (${ids.join(', ')})`;
}

/** Adds a term to the base search, or takes it away when it stands there already. */
export function toggleTerm(query: string, term: string, exclude = false): string {
  const wanted = exclude ? `NOT ${term}` : term;
  const parts = segments(query);
  const base = parts[0]?.from === 0 ? parts[0].text : '';
  const rest = query.slice(base.length);
  // A field that a later command makes can only be asked for after it.
  const removed = removeTerm(base, wanted);
  if (removed !== null) return joinBase(removed, rest);
  const opposite = removeTerm(base, exclude ? term : `NOT ${term}`);
  return joinBase(appendTerm(opposite ?? base, wanted), rest);
}

/** Adds a term after the last command, for fields that only exist there. */
export function appendFilter(query: string, term: string, exclude = false): string {
  return `${query.trim()} | search ${exclude ? 'NOT ' : ''}${term}`;
}

/** Adds a filter for a field where it works: in the base search, or after the commands that make fields. */
export function addField(query: string, field: string, value: string, exclude = false): string {
  const making = /^(rex|eval|rename|bin|spath)$/;
  const term = fieldTerm(field, value);
  const made = segments(query).slice(1).some((part) => making.test(part.command) && new RegExp(`(^|[^\\w])${escapeRegex(field)}([^\\w]|$)`).test(part.text));
  return made ? appendFilter(query, term, exclude) : toggleTerm(query, term, exclude);
}

function joinBase(base: string, rest: string): string {
  const text = base.trim();
  return rest === '' ? text : `${text === '' ? '*' : text} ${rest.trimStart()}`;
}

function appendTerm(base: string, term: string): string {
  const text = base.trim();
  if (text === '' || text === '*') return term;
  // Adjacent terms are joined by AND; who spells it out goes on doing so.
  return /\bAND\b/.test(text) ? `${text} AND ${term}` : `${text} ${term}`;
}

function removeTerm(base: string, term: string): string | null {
  // Inside parentheses or beside OR a term cannot be taken out without changing the meaning of the others.
  if (/[()]|\bOR\b/.test(base)) return null;
  const at = base.search(new RegExp(`(^|\\s)${escapeRegex(term)}(?=\\s|$)`));
  if (at < 0) return null;
  const before = base.slice(0, at);
  if (/\bNOT\s*$/.test(before)) return null;
  const after = base.slice(at).trimStart().slice(term.length);
  return `${before.replace(/\s*\bAND\s*$/, '')} ${before.trim() === '' ? after.replace(/^\s*AND\b/, '') : after}`.replace(/\s+/g, ' ').trim();
}

export function escapeRegex(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&');
}

/** What the base search looks for in the text of events, to be marked: words, phrases and values. */
export function positiveTerms(query: string): string[] {
  const base = segments(query)[0];
  if (!base || base.from !== 0) return [];
  const tokens = tokenize(base.text);
  const terms: string[] = [];
  let negated = 0;
  let depth = 0;
  let skipping = false;
  tokens.forEach((token, index) => {
    const text = base.text.slice(token.from, token.to);
    const before = tokens[index - 1];
    // The values of a list of hosts or patterns are not words of the event.
    if (text === 'IN' && before) skipping = ORIGIN.has(base.text.slice(before.from, before.to));
    if (skipping) skipping = text !== ')';
    else if (text === '(') depth += 1;
    else if (text === ')') {
      depth -= 1;
      if (depth < negated) negated = 0;
    } else if (text === 'NOT') {
      // NOT applies to the next term, or to the parentheses that follow.
      negated = base.text.slice(token.to).trimStart().startsWith('(') ? depth + 1 : Number.MAX_SAFE_INTEGER;
    } else {
      if (negated === 0) collect(base.text, tokens, index, terms);
      if (negated === Number.MAX_SAFE_INTEGER && endsTerm(base.text, tokens, index)) negated = 0;
    }
  });
  return [...new Set(terms)];
}

const ORIGIN = new Set(['index', 'host', 'source', 'sourcetype', 'splunk_server', '_pattern', 'earliest', 'latest', '_index_earliest', '_index_latest']);

function collect(text: string, tokens: Token[], index: number, terms: string[]): void {
  const token = tokens[index] as Token;
  if (!['term', 'wildcard', 'string', 'number'].includes(token.kind)) return;
  const operator = tokens[index - 1];
  const op = operator ? text.slice(operator.from, operator.to) : '';
  let value = text.slice(token.from, token.to);
  if (value.startsWith('"')) value = value.slice(1, value.endsWith('"') && value.length > 1 ? -1 : undefined).replace(/\\(["\\])/g, '$1');
  if (/^(=|==|!=|<|>|<=|>=)$/.test(op)) {
    const field = tokens[index - 2];
    if (op !== '=' && op !== '==') return;
    if (field && ORIGIN.has(text.slice(field.from, field.to))) return;
  }
  if (value === 'search' && index === 0) return;
  if (value.replace(/\*/g, '') !== '') terms.push(value);
}

function endsTerm(text: string, tokens: Token[], index: number): boolean {
  const token = tokens[index] as Token;
  if (token.kind === 'operator') return false;
  const next = tokens[index + 1];
  return !(next && /^(=|==|!=|<|>|<=|>=)$/.test(text.slice(next.from, next.to)));
}

/** The query without one of its terms each, for when nothing matches; at most five. */
export function looser(query: string): { query: string; without: string }[] {
  const base = segments(query)[0];
  if (!base || base.from !== 0 || /[()]|\bOR\b|\bNOT\b/.test(base.text)) return [];
  const units: string[] = [];
  const tokens = tokenize(base.text);
  let start: number | null = null;
  tokens.forEach((token, index) => {
    if (token.kind === 'keyword') return;
    start ??= token.from;
    const next = tokens[index + 1];
    if (token.kind !== 'operator' && (!next || next.from > token.to || next.kind === 'keyword')) {
      units.push(base.text.slice(start, token.to));
      start = null;
    }
  });
  if (units.length < 2) return [];
  return units.slice(0, 5).flatMap((unit) => {
    const left = removeTerm(base.text, unit);
    return left === null ? [] : [{ query: joinBase(left, query.slice(base.text.length)), without: unit }];
  });
}

/** Marked text as a search term; `*` where the mark cuts through a word. Null when nothing searchable is in it. */
export function selectionTerm(text: string, before: string, after: string): string | null {
  const inner = text.trim();
  if (!/[\p{L}\p{N}]/u.test(inner)) return null;
  const word = /[\p{L}\p{N}]/u;
  const open = text[0] === inner[0] && word.test(before) && word.test(inner[0] ?? '') ? '*' : '';
  const close = text.at(-1) === inner.at(-1) && word.test(after) && word.test(inner.at(-1) ?? '') ? '*' : '';
  const term = open + inner + close;
  return /^[\w.*-]+$/.test(term) && !/^(AND|OR|NOT)$/.test(term) ? term : quoteValue(term);
}
