// Times: reading what the server and people write, and writing it back. The zone is the reader's own.

/** One place on the time axis, milliseconds since 1970. */
export type Millis = number;

export interface TimeRange {
  /** As in the address bar: relative, epoch seconds or RFC 3339; null is the beginning of all time. */
  from: string | null;
  /** Null is now. */
  to: string | null;
}

export const PRESETS: readonly { label: string; from: string | null; to: string | null; group: number }[] = [
  { label: 'Last 15 min', from: '-15m', to: null, group: 0 },
  { label: 'Last 60 min', from: '-60m', to: null, group: 0 },
  { label: 'Last 4 h', from: '-4h', to: null, group: 0 },
  { label: 'Last 24 h', from: '-24h', to: null, group: 0 },
  { label: 'Last 7 days', from: '-7d', to: null, group: 0 },
  { label: 'Last 30 days', from: '-30d', to: null, group: 0 },
  { label: 'Today', from: '@d', to: null, group: 1 },
  { label: 'Yesterday', from: '-1d@d', to: '@d', group: 1 },
  { label: 'This week', from: '@w1', to: null, group: 1 },
  { label: 'This month', from: '@mon', to: null, group: 1 },
  { label: 'All time', from: null, to: null, group: 2 },
];

const UNIT = /^(s|secs?|seconds?|m|mins?|minutes?|h|hrs?|hours?|d|days?|w|weeks?|mon|months?|q|qtrs?|quarters?|y|yrs?|years?)$/;
const RELATIVE = /^([+-]?\d*[a-z]+)?(@[a-z]+[0-7]?)?([+-]\d*[a-z]+)*$/;

/** Whether `text` is a relative time such as -24h, -1d@d or now. */
export function isRelative(text: string): boolean {
  if (text === 'now' || text === 'now()') return true;
  if (text === '' || !RELATIVE.test(text)) return false;
  const units = text.match(/[a-z]+/g) ?? [];
  const starts = /^[+@-]/.test(text);
  return starts && units.every((unit) => UNIT.test(unit) || /^w$/.test(unit));
}

/** What somebody typed as a bound, in the server's spelling; null when it cannot be understood. */
export function readBound(input: string): string | null {
  const text = input.trim();
  if (isRelative(text) || /^\d{9,11}(\.\d+)?$/.test(text)) return text;
  const match = /^(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2})(?::(\d{2})(?::(\d{2}(?:\.\d{1,9})?))?)?)?\s*(Z|[+-]\d{2}:?\d{2})?$/i.exec(text);
  if (!match) {
    const clock = /^(\d{1,2}):(\d{2})(?::(\d{2}))?$/.exec(text);
    if (!clock) return null;
    const today = new Date();
    today.setHours(Number(clock[1]), Number(clock[2]), Number(clock[3] ?? 0), 0);
    return Number.isNaN(today.getTime()) || Number(clock[1]) > 23 || Number(clock[2]) > 59 ? null : rfc3339(today.getTime());
  }
  const [, year, month, day, hour = '0', minute = '0', second = '0', zone] = match;
  const whole = Math.floor(Number(second));
  const millis = Math.round((Number(second) - whole) * 1000);
  if (Number(month) < 1 || Number(month) > 12 || Number(day) < 1 || Number(day) > 31 || Number(hour) > 24 || Number(minute) > 59) return null;
  const parts = [Number(year), Number(month) - 1, Number(day), Number(hour), Number(minute), whole, millis] as const;
  if (!zone) return rfc3339(new Date(...parts).getTime());
  const offset = zone.toUpperCase() === 'Z' ? 0 : (zone[0] === '-' ? -1 : 1) * (Number(zone.slice(1, 3)) * 60 + Number(zone.slice(-2)));
  return rfc3339(Date.UTC(...parts) - offset * 60_000);
}

/** RFC 3339 in UTC, milliseconds only when there are any. */
export function rfc3339(millis: Millis): string {
  return new Date(millis).toISOString().replace('.000Z', 'Z');
}

/** RFC 3339 text or epoch seconds as milliseconds; null for anything else. */
export function parseTime(value: unknown): Millis | null {
  if (typeof value === 'number') return value * 1000;
  if (typeof value !== 'string' || value === '') return null;
  if (/^-?\d+(\.\d+)?$/.test(value)) return Number(value) * 1000;
  // Date.parse reads at most milliseconds everywhere; further digits are cut.
  const millis = Date.parse(value.replace(/(\.\d{3})\d+/, '$1'));
  return Number.isNaN(millis) ? null : millis;
}

/** The same moment with `nanos` added, keeping the digits below a millisecond. */
export function justAfter(time: string): string {
  const match = /^(.*?)(?:\.(\d{1,9}))?Z$/.exec(time);
  if (!match) return time;
  const nanos = Number((match[2] ?? '').padEnd(9, '0')) + 1;
  if (nanos >= 1_000_000_000) return rfc3339((parseTime(time) ?? 0) + 1);
  return `${match[1]}.${String(nanos).padStart(9, '0')}Z`;
}

const two = (value: number): string => (value < 10 ? `0${value}` : String(value));
const three = (value: number): string => String(value).padStart(3, '0');

/** Hours to seconds, with milliseconds when asked. */
export function clock(date: Date, millis = false): string {
  const base = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  return millis ? `${base}.${three(date.getMilliseconds())}` : base;
}

/** 2026-11-21. */
export function day(date: Date): string {
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())}`;
}

/** The time of a row, always 18 or 19 characters: the year stands in place of the milliseconds when it is another one. */
export function rowTime(value: unknown, thisYear: number): { date: string; clock: string } {
  const millis = parseTime(value);
  if (millis === null) return { date: '', clock: typeof value === 'string' ? value : '' };
  const date = new Date(millis);
  if (date.getFullYear() !== thisYear) return { date: day(date), clock: clock(date) };
  return { date: `${two(date.getMonth() + 1)}-${two(date.getDate())}`, clock: clock(date, true) };
}

/** 2026-11-21 21:14:03, with milliseconds when there are any. */
export function stamp(millis: Millis): string {
  const date = new Date(millis);
  return `${day(date)} ${clock(date, date.getMilliseconds() !== 0)}`;
}

/** The name of the reader's zone and its distance from UTC at that moment. */
export function zone(millis: Millis): string {
  const minutes = -new Date(millis).getTimezoneOffset();
  const sign = minutes < 0 ? '−' : '+';
  const magnitude = Math.abs(minutes);
  const name = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return `${name} (UTC${sign}${two(Math.floor(magnitude / 60))}:${two(magnitude % 60)})`;
}

/** Everything there is to know about a moment, for a tooltip. */
export function fullTime(value: unknown, now: Millis): string {
  const millis = parseTime(value);
  if (millis === null) return String(value ?? '');
  return `${stamp(millis)} ${zone(millis)}\n${String(value)}\n${ago(millis, now)}`;
}

/** 4 minutes ago; in the future it says so. */
export function ago(millis: Millis, now: Millis): string {
  const seconds = Math.round((now - millis) / 1000);
  const magnitude = Math.abs(seconds);
  const text = duration(magnitude);
  if (magnitude < 2) return 'now';
  return seconds >= 0 ? `${text} ago` : `in ${text}`;
}

/** The largest whole unit of a number of seconds. */
export function duration(seconds: number): string {
  const steps = [[31_557_600, 'year'], [2_629_800, 'month'], [86_400, 'day'], [3600, 'hour'], [60, 'minute']] as const;
  for (const [size, unit] of steps) {
    if (seconds >= size) {
      const count = Math.floor(seconds / size);
      return `${count} ${unit}${count === 1 ? '' : 's'}`;
    }
  }
  return `${Math.floor(seconds)} s`;
}

/** The width of a bucket: 10 min, 1 h, 2 days. */
export function spanText(seconds: number): string {
  if (seconds < 1) return `${Number((seconds * 1000).toPrecision(3))} ms`;
  for (const [size, unit] of [[86_400, 'd'], [3600, 'h'], [60, 'min']] as const) {
    if (seconds >= size) return `${Number((seconds / size).toFixed(1))} ${unit}`;
  }
  return `${Number(seconds.toFixed(1))} s`;
}

/** What the button says for a range. */
export function rangeText(range: TimeRange): string {
  const preset = PRESETS.find((item) => item.from === range.from && item.to === (range.to === 'now' ? null : range.to));
  if (preset) return preset.label;
  const from = range.from === null ? 'Beginning' : boundText(range.from);
  const to = range.to === null || range.to === 'now' ? 'now' : boundText(range.to, range.from);
  return `${from} – ${to}`;
}

function boundText(bound: string, other: string | null = null): string {
  if (isRelative(bound)) return bound;
  const millis = parseTime(bound);
  if (millis === null) return bound;
  const before = other === null ? null : parseTime(other);
  const date = new Date(millis);
  const same = before !== null && !isRelative(other ?? '') && day(new Date(before)) === day(date);
  return same ? clock(date, date.getMilliseconds() !== 0) : stamp(millis);
}

const STEPS = [1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10_800, 21_600, 43_200, 86_400, 172_800, 604_800, 1_209_600];

/** Places for labels on a time axis, on round local times, at most `count` of them. */
export function timeTicks(from: Millis, to: Millis, count: number): { at: Millis; label: string }[] {
  const wanted = (to - from) / 1000 / Math.max(1, count);
  if (!(wanted > 0)) return [];
  const step = STEPS.find((size) => size >= wanted);
  if (step === undefined) return monthTicks(from, to, count);
  const shift = new Date(from).getTimezoneOffset() * 60_000;
  const size = step * 1000;
  const ticks: { at: Millis; label: string }[] = [];
  for (let at = Math.ceil((from - shift) / size) * size + shift; at <= to; at += size) {
    const date = new Date(at);
    const midnight = date.getHours() === 0 && date.getMinutes() === 0 && date.getSeconds() === 0;
    const dayLabel = `${two(date.getMonth() + 1)}-${two(date.getDate())}`;
    ticks.push({ at, label: step >= 86_400 || midnight ? dayLabel : step < 60 ? clock(date) : clock(date).slice(0, 5) });
  }
  return ticks;
}

function monthTicks(from: Millis, to: Millis, count: number): { at: Millis; label: string }[] {
  const months = (to - from) / 2_629_800_000 / Math.max(1, count);
  const step = [1, 2, 3, 6, 12, 24, 60, 120, 240, 600, 1200, 2400, 6000, 12_000].find((size) => size >= months) ?? 60_000;
  const start = new Date(from);
  const ticks: { at: Millis; label: string }[] = [];
  let index = Math.ceil((start.getFullYear() * 12 + start.getMonth()) / step) * step;
  for (; ticks.length < 100; index += step) {
    const date = new Date(2000, 0, 1);
    date.setFullYear(Math.floor(index / 12), index % 12, 1);
    if (date.getTime() > to) break;
    if (date.getTime() >= from) ticks.push({ at: date.getTime(), label: step >= 12 ? String(date.getFullYear()) : `${date.getFullYear()}-${two(date.getMonth() + 1)}` });
  }
  return ticks;
}
