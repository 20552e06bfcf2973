import { describe, expect, it } from 'vitest';
import { place } from './place';
import { textSpan } from './spans';
import { tokenize } from './tokens';

const kinds = (query: string): string[] => tokenize(query).map((token) => `${query.slice(token.from, token.to)}:${token.kind}`);

describe('tokenize', () => {
  it('colours a search', () => {
    expect(kinds('session AND host="a b" fail* NOT x')).toEqual(['session:term', 'AND:keyword', 'host:field', '=:operator', '"a b":string', 'fail*:wildcard', 'NOT:keyword', 'x:term']);
  });

  it('colours a pipeline', () => {
    expect(kinds('a | stats avg(bytes) by host')).toEqual(['a:term', '|:pipe', 'stats:command', 'avg:function', '(:operator', 'bytes:field', '):operator', 'by:keyword', 'host:field']);
    expect(kinds('earliest=-24h x')).toEqual(['earliest:time', '=:operator', '-24h:time', 'x:term']);
  });

  it('never overlaps, and ends, whatever is typed', () => {
    let seed = 1;
    const letters = 'ab "\'|()[]=<>!*+-/%,`\\ \t\nAND1.é😀';
    for (let round = 0; round < 3000; round += 1) {
      let text = '';
      for (let at = 0; at < round % 40; at += 1) {
        seed = (seed * 1103515245 + 12345) & 0x7fffffff;
        text += letters[seed % letters.length];
      }
      let last = 0;
      for (const token of tokenize(text)) {
        expect(token.from).toBeGreaterThanOrEqual(last);
        expect(token.to).toBeGreaterThan(token.from);
        last = token.to;
      }
      expect(last).toBeLessThanOrEqual(text.length);
    }
  });
});

describe('place', () => {
  it.each([
    ['a | st', 'command', 4],
    ['ses', 'search', 0],
    ['user=ro', 'value', 5],
    ['a | stats co', 'stats', 10],
    ['a | stats count by us', 'fields', 19],
    ['a | where le', 'eval', 10],
    ['a "x | s', 'none', 8],
    ['a | table ho', 'fields', 10],
  ])('%s', (query, kind, from) => {
    const found = place(query, query.length);
    expect(found.kind).toBe(kind);
    expect(found.from).toBe(from);
  });
});

describe('spans', () => {
  it('counts bytes as the server does', () => {
    expect(textSpan('é😀 | foo', { start: 9, end: 12 })).toEqual({ from: 6, to: 9 });
    expect(textSpan('abc', { start: 3, end: 3 })).toEqual({ from: 2, to: 3 });
    expect(textSpan('', { start: 0, end: 0 })).toEqual({ from: 0, to: 0 });
    expect(textSpan('abc', { start: 99, end: 120 })).toEqual({ from: 2, to: 3 });
  });
});
