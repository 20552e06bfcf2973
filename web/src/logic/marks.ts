// Where the searched words stand in the text of an event, by the rules of the search language.
import { escapeRegex } from './query';

export interface Piece {
  text: string;
  marked: boolean;
}

const BREAKER = '\\s\\[\\]<>(){}|!;,\'"*&?+/:=@.\\-$#%\\\\_\\u0000-\\u001f';
const MAJOR = '\\s\\[\\]<>(){}|!;,\'"*&?+';

/** One expression for all terms: whole tokens, any case, `*` for anything inside a word. */
export function markExpression(terms: readonly string[]): RegExp | null {
  const bodies = terms
    .filter((term) => term.replace(/\*/g, '') !== '')
    // The longest first, so that a phrase wins over one of its words.
    .sort((a, b) => b.length - a.length)
    .map((term) => {
      const body = term.split('*').map(escapeRegex).join(`[^${MAJOR}]*`);
      const first = term[0] ?? '';
      const last = term.at(-1) ?? '';
      const isBreaker = new RegExp(`[${BREAKER}]`);
      const open = first === '*' || isBreaker.test(first) ? '' : `(?<=^|[${BREAKER}])`;
      const close = last === '*' || isBreaker.test(last) ? '' : `(?=$|[${BREAKER}])`;
      return open + body + close;
    });
  return bodies.length === 0 ? null : new RegExp(bodies.join('|'), 'gi');
}

/** The text in pieces, marked or not; together they are the text. At most `limit` marks. */
export function markPieces(text: string, expression: RegExp | null, limit = 200): Piece[] {
  if (!expression || text === '') return [{ text, marked: false }];
  const pieces: Piece[] = [];
  let at = 0;
  expression.lastIndex = 0;
  for (let match = expression.exec(text); match && pieces.length < limit * 2; match = expression.exec(text)) {
    if (match[0] === '') {
      expression.lastIndex += 1;
      continue;
    }
    if (match.index > at) pieces.push({ text: text.slice(at, match.index), marked: false });
    pieces.push({ text: match[0], marked: true });
    at = match.index + match[0].length;
  }
  if (at < text.length) pieces.push({ text: text.slice(at), marked: false });
  return pieces;
}

/** The part of a long text to show in one line: its start, or the surroundings of the first mark when that is far in. */
export function excerpt(text: string, expression: RegExp | null, length: number): string {
  if (text.length <= length) return text;
  const head = text.slice(0, 200_000);
  expression?.test('');
  if (expression) {
    expression.lastIndex = 0;
    const match = expression.exec(head);
    if (match && match.index > length * 0.8) return `…${text.slice(match.index - 60, match.index - 60 + length)}`;
  }
  return text.slice(0, length);
}

/** One line: line ends become a sign, other control characters stay invisible but keep their place. */
export function oneLine(text: string): string {
  return text.replace(/\r?\n/g, ' ⏎ ').replace(/\t/g, ' ').replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f]/g, '·');
}
