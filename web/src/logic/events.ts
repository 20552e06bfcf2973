// What a row says about itself.
import type { Row } from '../api/types';

export type Severity = 'trouble' | 'warning' | 'notice' | null;

/** Fields of every event that are not shown among its own. */
export const CORE = new Set(['_time', '_indextime', '_raw', '_raw_bytes', '_sequence', '_pattern', '_problems']);
export const ORIGIN_FIELDS = ['host', 'source', 'sourcetype', 'index'] as const;

const LEVEL_FIELDS = ['severity', 'level', 'log_level', 'loglevel', 'priority_name'];

/** The severity an event states in a field of its own; never guessed from its words. */
export function severity(row: Row): Severity {
  for (const name of LEVEL_FIELDS) {
    const value = row[name];
    if (value === undefined || value === null) continue;
    const word = String(value).toLowerCase();
    if (/^(emerg|emergency|panic|alert|crit|critical|fatal|err|error|severe|[0-3])$/.test(word)) return 'trouble';
    if (/^(warn|warning|4)$/.test(word)) return 'warning';
    if (/^(notice|5)$/.test(word)) return 'notice';
    return null;
  }
  const status = row['status'];
  if (/^5\d\d$/.test(String(status ?? ''))) return 'trouble';
  if (/^4\d\d$/.test(String(status ?? ''))) return 'warning';
  return null;
}

/** The fields to show of an open event: where it came from, then its own by name. */
export function eventFields(row: Row): { name: string; value: string; own: boolean }[] {
  const origin = ORIGIN_FIELDS.filter((name) => row[name] !== undefined && row[name] !== null)
    .map((name) => ({ name: name as string, value: String(row[name]), own: false }));
  const own: { name: string; value: string; own: boolean }[] = [];
  for (const [name, value] of Object.entries(row)) {
    if (CORE.has(name) || (ORIGIN_FIELDS as readonly string[]).includes(name) || value === undefined || value === null) continue;
    if (Array.isArray(value)) own.push(...value.map((item) => ({ name, value: item, own: true })));
    else own.push({ name, value: String(value), own: true });
  }
  return [...origin, ...own.sort((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))];
}

const keys = new WeakMap<Row, string>();
let keysGiven = 0;

/** A name that stays with a row while others come and go; no two rows share one. */
export function eventKey(row: Row): string {
  let key = keys.get(row);
  if (key === undefined) {
    keysGiven += 1;
    key = String(keysGiven);
    keys.set(row, key);
  }
  return key;
}

const PROBLEM_TEXT: Record<string, string> = {
  no_time: 'No time was found in it; this is the time it was received',
  bad_time: 'Its time cannot be right; this is the time it was received',
  inferred_time: 'Its time has no year or no zone; one was inferred',
  not_utf8: 'Not valid UTF-8; some bytes are shown as �',
  continued: 'A part of a longer event that was split',
  malformed: 'Not as its format wants it; kept as text',
  more_lines: 'More lines of the event before, which was complete or full',
  other_sender: 'It names another machine than the one whose certificate its sender has shown',
};

/** What was wrong with an event, in sentences. */
export function problemTexts(value: unknown): string[] {
  if (typeof value !== 'string' || value === '') return [];
  return value.split(/,\s*/).map((name) => PROBLEM_TEXT[name] ?? name);
}
