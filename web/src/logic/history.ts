// The queries that were run, newest first, each once.

export const HISTORY_MAX = 200;

/** The history with `query` in front. */
export function remember(history: readonly string[], query: string): string[] {
  const text = query.trim();
  if (text === '') return [...history];
  return [text, ...history.filter((item) => item !== text)].slice(0, HISTORY_MAX);
}

/** The history read back from storage; anything odd is left out. */
export function readHistory(stored: string | null): string[] {
  try {
    const value: unknown = JSON.parse(stored ?? '[]');
    return Array.isArray(value) ? value.filter((item): item is string => typeof item === 'string').slice(0, HISTORY_MAX) : [];
  } catch {
    return [];
  }
}

/** How well `text` fits what was typed; null when it does not. All letters must appear in order. */
export function fit(typed: string, text: string): number | null {
  const wanted = typed.toLowerCase().replace(/\s+/g, '');
  const lower = text.toLowerCase();
  const whole = lower.indexOf(typed.trim().toLowerCase());
  if (whole >= 0) return 1000 - whole;
  let at = -1;
  let gaps = 0;
  for (const letter of wanted) {
    const next = lower.indexOf(letter, at + 1);
    if (next < 0) return null;
    if (next !== at + 1) gaps += 1;
    at = next;
  }
  return 500 - gaps * 10 - text.length / 100;
}
