// Relative times that snap to the start of a day, week or month mean the reader's own zone, which the server does
// not know: they are resolved here. Those without a snap mean the same everywhere and stay as they are.
import { rfc3339, type Millis } from './time';

type Unit = 's' | 'm' | 'h' | 'd' | 'w' | 'mon' | 'q' | 'y';

const SPELLINGS: [RegExp, Unit][] = [
  [/^(mon|months?)$/, 'mon'], [/^(s|secs?|seconds?)$/, 's'], [/^(m|mins?|minutes?)$/, 'm'], [/^(h|hrs?|hours?)$/, 'h'],
  [/^(d|days?)$/, 'd'], [/^(w|weeks?)$/, 'w'], [/^(q|qtrs?|quarters?)$/, 'q'], [/^(y|yrs?|years?)$/, 'y'],
];

function unitOf(text: string): Unit | null {
  return SPELLINGS.find(([spelling]) => spelling.test(text))?.[1] ?? null;
}

/** Wall-clock arithmetic, so that a day may have 23 hours; a month that is too short ends on its last day. */
function move(date: Date, count: number, unit: Unit): void {
  if (unit === 's') date.setTime(date.getTime() + count * 1000);
  else if (unit === 'm') date.setTime(date.getTime() + count * 60_000);
  else if (unit === 'h') date.setTime(date.getTime() + count * 3_600_000);
  else if (unit === 'd' || unit === 'w') date.setDate(date.getDate() + count * (unit === 'w' ? 7 : 1));
  else {
    const months = count * (unit === 'y' ? 12 : unit === 'q' ? 3 : 1);
    const day = date.getDate();
    date.setDate(1);
    date.setMonth(date.getMonth() + months);
    const last = new Date(date.getFullYear(), date.getMonth() + 1, 0).getDate();
    date.setDate(Math.min(day, last));
  }
}

function snap(date: Date, unit: Unit, weekday: number): void {
  date.setMilliseconds(0);
  if (unit === 's') return;
  date.setSeconds(0);
  if (unit === 'm') return;
  date.setMinutes(0);
  if (unit === 'h') return;
  date.setHours(0);
  if (unit === 'w') date.setDate(date.getDate() - ((date.getDay() - weekday + 7) % 7));
  if (unit === 'mon' || unit === 'q' || unit === 'y') date.setDate(1);
  if (unit === 'q') date.setMonth(Math.floor(date.getMonth() / 3) * 3);
  if (unit === 'y') date.setMonth(0);
}

/** A bound with a snap as RFC 3339, anything else as it is. */
export function resolveBound(text: string, now: Millis): string {
  if (!text.includes('@')) return text;
  const date = new Date(now);
  const parts = text.match(/@[a-z]+[0-7]?|[+-]\d*[a-z]+/g) ?? [];
  if (parts.join('') !== text) return text;
  for (const part of parts) {
    const [, sign = '', count = '', letters = '', weekday = ''] = /^([@+-])(\d*)([a-z]+?)([0-7]?)$/.exec(part) ?? [];
    const unit = unitOf(letters);
    if (unit === null) return text;
    if (sign === '@') snap(date, unit, Number(weekday) % 7);
    else move(date, (sign === '-' ? -1 : 1) * Number(count === '' ? 1 : count), unit);
  }
  return rfc3339(date.getTime());
}

/** The bounds of a request for the server. */
export function boundsOf(from: string | null, to: string | null, now: Millis = Date.now()): { earliest?: string; latest?: string } {
  return {
    ...(from === null ? {} : { earliest: resolveBound(from, now) }),
    ...(to === null ? {} : { latest: resolveBound(to, now) }),
  };
}
