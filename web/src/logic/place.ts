// Where in a query the cursor stands, for completion.
import { tokenize } from './tokens';

export type Place =
  | { kind: 'command' | 'search' | 'stats' | 'eval' | 'fields' | 'none'; from: number }
  | { kind: 'value'; field: string; from: number };

const STATS = new Set(['stats', 'timechart', 'chart', 'eventstats', 'streamstats']);
const EVAL = new Set(['eval', 'where']);

/** What may stand at `at`; `from` is where the word under the cursor begins. */
export function place(query: string, at: number): Place {
  const before = query.slice(0, at);
  const from = at - (/[\w.@-]*$/.exec(before)?.[0].length ?? 0);
  const tokens = tokenize(before).filter((token) => token.from < from);
  const last = tokens.at(-1);
  const inside = tokens.find((token) => token.kind === 'string' && token.to >= at && at > token.from && !closed(before.slice(token.from, token.to)));
  if (inside) return { kind: 'none', from: at };
  if (last?.kind === 'pipe') return { kind: 'command', from };
  const pipe = tokens.findLastIndex((token) => token.kind === 'pipe');
  const start = tokens[pipe + 1];
  const command = pipe < 0 ? 'search' : start ? query.slice(start.from, start.to).toLowerCase() : '';
  const lastText = last ? before.slice(last.from, last.to) : '';
  if (command === 'search') {
    const field = tokens.at(-2);
    if (last && /^(=|!=)$/.test(lastText) && field && before.slice(last.to, from).trim() === '') return { kind: 'value', field: before.slice(field.from, field.to), from };
    return { kind: 'search', from };
  }
  if (STATS.has(command)) {
    const by = tokens.slice(pipe + 1).some((token) => /^by$/i.test(before.slice(token.from, token.to)));
    return { kind: by ? 'fields' : 'stats', from };
  }
  if (EVAL.has(command)) return { kind: 'eval', from };
  return { kind: 'fields', from };
}

function closed(text: string): boolean {
  return text.length > 1 && text.endsWith('"') && !/\\"$/.test(text);
}
