import { describe, expect, it } from 'vitest';
import { excerpt, markExpression, markPieces, oneLine } from './marks';

const marked = (terms: string[], text: string): string[] => markPieces(text, markExpression(terms)).filter((piece) => piece.marked).map((piece) => piece.text);

describe('marks', () => {
  it('finds whole words in any case', () => {
    expect(marked(['error'], 'app-error.log ERROR errors terror error')).toEqual(['error', 'ERROR', 'error']);
    expect(marked(['192.168'], 'from 192.168.1.1 to 1192.168')).toEqual(['192.168']);
    expect(marked(['fail*'], 'failure of fail/x refail')).toEqual(['failure', 'fail/x']);
    expect(marked(['session opened', 'opened'], 'session opened, opened')).toEqual(['session opened', 'opened']);
  });

  it('loses nothing of the text', () => {
    const text = 'a.b (root) root=root rootroot';
    expect(markPieces(text, markExpression(['root', '(', '*'])).map((piece) => piece.text).join('')).toBe(text);
    expect(markExpression([])).toBeNull();
    expect(markExpression(['*'])).toBeNull();
  });

  it('is quick on ten megabytes of one letter', () => {
    const text = 'x'.repeat(10_000_000);
    expect(excerpt(text, markExpression(['xx*y', 'end']), 1200)).toHaveLength(1200);
  });

  it('shows the surroundings of a match far inside', () => {
    const text = `${'a '.repeat(4000)}needle ${'b '.repeat(100)}`;
    expect(excerpt(text, markExpression(['needle']), 400)).toContain('needle');
  });

  it('keeps one line one line', () => {
    expect(oneLine('a\r\nb\tc\u0000\u001b[31m')).toBe('a ⏎ b c··[31m');
  });
});
