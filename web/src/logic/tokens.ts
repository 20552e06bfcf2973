// Colours the query while it is typed. Knows the outline of the language only; the server has the last word.
import type { TokenClass } from '../api/types';

export interface Token {
  from: number;
  to: number;
  kind: TokenClass;
}

const WORD = /[^\s|()[\]"'`,=<>!+*/%]/;
const KEYWORDS = new Set(['by', 'as', 'over', 'where', 'output', 'outputnew', 'in', 'like', 'is', 'span', 'limit', 'field', 'mode', 'bins', 'max_match', 'useother', 'usenull']);
const LOGIC = new Set(['AND', 'OR', 'NOT', 'XOR']);
const TIMES = new Set(['earliest', 'latest', '_index_earliest', '_index_latest']);

/** The tokens of a query in order, without overlap; blanks belong to none. */
export function tokenize(query: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  let command = 'search';
  let expectCommand = /^\s*\|/.test(query) || /^\s*search\b/i.test(query);
  const push = (to: number, kind: TokenClass): void => {
    tokens.push({ from: at, to, kind });
    at = to;
  };
  while (at < query.length) {
    const char = query[at] as string;
    if (/\s/.test(char)) {
      at += 1;
    } else if (query.startsWith('```', at)) {
      const end = query.indexOf('```', at + 3);
      push(end < 0 ? query.length : end + 3, 'comment');
    } else if (char === '|') {
      push(at + 1, 'pipe');
      expectCommand = true;
    } else if (char === '"') {
      push(closing(query, at, '"'), 'string');
    } else if (char === "'") {
      push(closing(query, at, "'"), 'field');
    } else if (/[()[\],]/.test(char)) {
      if (char === '[') expectCommand = /^\[\s*(\||search\b)/i.test(query.slice(at));
      push(at + 1, 'operator');
    } else if (/[=<>!+/%]/.test(char) || (char === '*' && command !== 'search')) {
      push(at + (/^(!=|<=|>=|==)/.test(query.slice(at, at + 2)) ? 2 : 1), 'operator');
    } else {
      const to = wordEnd(query, at);
      const kind = classify(query, at, to, command, expectCommand);
      if (expectCommand) {
        command = query.slice(at, to).toLowerCase();
        expectCommand = false;
      }
      push(to, kind);
    }
  }
  return tokens;
}

function closing(query: string, from: number, quote: string): number {
  for (let at = from + 1; at < query.length; at += 1) {
    if (query[at] === '\\') at += 1;
    else if (query[at] === quote) return at + 1;
  }
  return query.length;
}

function wordEnd(query: string, from: number): number {
  let to = from + 1;
  // In the words of a search, * and the punctuation of paths and times are part of the word.
  while (to < query.length && (WORD.test(query[to] as string) || /[*/%+]/.test(query[to] as string))) to += 1;
  return to;
}

function classify(query: string, from: number, to: number, command: string, expectCommand: boolean): TokenClass {
  const word = query.slice(from, to);
  if (expectCommand) return 'command';
  const before = query.slice(0, from).trimEnd().at(-1) ?? '';
  const after = query.slice(to);
  if (word === 'IN' && /^\s*\(/.test(after)) return 'keyword';
  if (LOGIC.has(word) || (command !== 'search' && LOGIC.has(word.toUpperCase()))) return 'keyword';
  if (/^\s*(=|!=|<|>)|^\s+IN\s*\(/.test(after)) return TIMES.has(word) ? 'time' : 'field';
  if (/^-?\d+(\.\d+)?$/.test(word)) return 'number';
  if (command === 'search' || command === 'where' && /[=<>]/.test(before) && /^[-+@]?\d*[a-z]+(@|$)/.test(word)) {
    if (/[=<>]/.test(before)) return TIMES.has(/(\w+)\s*[=<>!]+$/.exec(query.slice(0, from).trimEnd())?.[1] ?? '') ? 'time' : 'string';
    return word.includes('*') ? 'wildcard' : 'term';
  }
  if (/^\s*\(/.test(after)) return 'function';
  if (KEYWORDS.has(word.toLowerCase())) return 'keyword';
  if (/^-?\d/.test(word)) return /^\d+(s|m|h|d|w|mon|y)$/.test(word) ? 'time' : 'number';
  return 'field';
}
