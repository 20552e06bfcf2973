import { describe, expect, it } from 'vitest';
import { addField, eventsBehind, fieldTerm, isTransforming, looser, patternTerm, positiveTerms, segments, selectionTerm, toggleTerm } from './query';

describe('segments', () => {
  it('cuts at pipes, but not inside quotes or brackets', () => {
    expect(segments('a "x | y" [search b | head 1] | stats count').map((part) => part.command)).toEqual(['search', 'stats']);
    expect(segments('| stats count').map((part) => part.command)).toEqual(['stats']);
    expect(segments('')).toHaveLength(1);
  });

  it('knows tables from events', () => {
    expect(isTransforming('a | where x>1 | head 3')).toBe(false);
    expect(isTransforming('a | eval b=1 | timechart count')).toBe(true);
    expect(isTransforming('"| stats"')).toBe(false);
    expect(eventsBehind('a b | where x>1 | stats count by c | sort - count')).toBe('a b | where x>1');
    expect(eventsBehind('* | top user')).toBe('*');
  });
});

describe('adding a value', () => {
  it.each([
    ['', 'user=root'],
    ['*', 'user=root'],
    ['session opened', 'session opened user=root'],
    ['session AND opened', 'session AND opened AND user=root'],
    ['error | stats count', 'error user=root | stats count'],
    ['* | head 3', 'user=root | head 3'],
  ])('%s', (query, expected) => expect(addField(query, 'user', 'root')).toBe(expected));

  it('quotes what is not one plain word', () => {
    expect(fieldTerm('path', '/var/log/a.log')).toBe('path=/var/log/a.log');
    expect(fieldTerm('msg', 'slow query')).toBe('msg="slow query"');
    expect(fieldTerm('msg', 'a"b\\c')).toBe('msg="a\\"b\\\\c"');
    expect(fieldTerm('x', 'OR')).toBe('x="OR"');
    expect(fieldTerm('x', '')).toBe('x=""');
    expect(fieldTerm('x', 'a*')).toBe('x="a*"');
  });

  it('takes away what stands there already, and turns exclusion around', () => {
    expect(addField('session user=root', 'user', 'root')).toBe('session');
    expect(addField('session AND user=root AND b', 'user', 'root')).toBe('session AND b');
    expect(addField('user=root', 'user', 'root', true)).toBe('NOT user=root');
    expect(addField('NOT user=root', 'user', 'root')).toBe('user=root');
    expect(addField('user=rooty', 'user', 'root')).toBe('user=rooty user=root');
    expect(patternTerm(['a', 'b'])).toBe('_pattern IN (a, b)');
    expect(toggleTerm('a _pattern="3f"', '_pattern="3f"')).toBe('a');
  });

  it('never takes a term out of parentheses or beside OR', () => {
    expect(addField('(user=root OR user=bob)', 'user', 'root')).toBe('(user=root OR user=bob) user=root');
  });

  it('asks for a field after the command that makes it', () => {
    expect(addField('a | rex "(?<who>x)"', 'who', 'x')).toBe('a | rex "(?<who>x)" | search who=x');
    expect(addField('a | rex "(?<who>x)"', 'host', 'x')).toBe('a host=x | rex "(?<who>x)"');
  });
});

describe('words to mark', () => {
  it.each([
    ['session AND opened AND user AND root', ['session', 'opened', 'user', 'root']],
    ['"session opened" NOT root', ['session opened']],
    ['user=root host=db-1 fail*', ['root', 'fail*']],
    ['a NOT (b c) d', ['a', 'd']],
    ['NOT user=root error', ['error']],
    ['status>=500 x', ['x']],
    ['search a | where b="c"', ['a']],
    ['earliest=-1h a', ['a']],
    ['_pattern IN (ab12, cd34) b', ['b']],
    ['user IN (root, "x y") NOT host IN (a, b) c', ['root', 'x y', 'c']],
    ['* | stats count', []],
    ['| stats count', []],
  ])('%s', (query, expected) => expect(positiveTerms(query)).toEqual(expected));
});

describe('looser queries', () => {
  it('leaves out one term each', () => {
    expect(looser('session AND user=root AND x').map((item) => item.query)).toEqual(['user=root AND x', 'session AND x', 'session AND user=root']);
    expect(looser('one')).toEqual([]);
    expect(looser('a OR b')).toEqual([]);
  });
});

describe('marked text', () => {
  it('becomes a term', () => {
    expect(selectionTerm('root', ' ', ' ')).toBe('root');
    expect(selectionTerm('oo', 'r', 't')).toBe('*oo*');
    expect(selectionTerm(' session opened', ' ', ' ')).toBe('"session opened"');
    expect(selectionTerm('a"b', ' ', '')).toBe('"a\\"b"');
    expect(selectionTerm(' -- ', '', '')).toBeNull();
  });
});
