// Turns the rows of a table into series, and values into places. Draws nothing.
import type { FieldInfo, Row } from '../api/types';
import { parseTime, spanText } from './time';

export interface Series {
  name: string;
  values: (number | null)[];
}

export interface ChartData {
  /** The field along the axis. */
  x: string;
  /** Milliseconds when the axis is time, else null. */
  times: number[] | null;
  labels: string[];
  series: Series[];
  /** What was left out, to be said beside the chart. */
  dropped: number;
}

/** Series beyond this are not told apart by eye; what is left out is said. */
export const SERIES_MAX = 12;
const CATEGORIES_MAX = 200;

function numeric(value: unknown): number | null {
  if (typeof value === 'number') return Number.isFinite(value) ? value : null;
  if (typeof value === 'string' && value.trim() !== '' && Number.isFinite(Number(value))) return Number(value);
  return null;
}

function isNumberColumn(rows: readonly Row[], name: string): boolean {
  let seen = 0;
  for (const row of rows.slice(0, 200)) {
    const value = row[name];
    if (value === undefined || value === null || value === '') continue;
    if (numeric(value) === null) return false;
    seen += 1;
  }
  return seen > 0;
}

/** What a table can show as a chart; null when it has no numbers. */
export function chartData(fields: readonly FieldInfo[], rows: readonly Row[]): ChartData | null {
  const names = fields.map((field) => field.name).filter((name) => name !== '_span');
  const onTime = names.includes('_time');
  const numbers = names.filter((name) => name !== '_time' && isNumberColumn(rows, name));
  const others = names.filter((name) => name !== '_time' && !numbers.includes(name));
  if (rows.length === 0 || numbers.length === 0) return null;
  // `stats count by status`: the first column groups even when it looks like a number.
  const first = names[0] ?? '';
  const grouped = !onTime && others.length === 0 && numbers.length > 1 && numbers[0] === first;
  const x = onTime ? '_time' : grouped ? first : (others[0] ?? '');
  let values = grouped ? numbers.slice(1) : numbers;
  if (!onTime && values.includes('count') && values.includes('percent')) values = values.filter((name) => name !== 'percent');
  if (!onTime && others.length >= 2 && values.length >= 1) return pivot(rows, x, others[1] as string, values[0] as string);
  const kept = onTime ? rows : rows.slice(0, CATEGORIES_MAX);
  const shown = values.slice(0, SERIES_MAX);
  const times = onTime ? kept.map((row) => parseTime(row['_time']) ?? 0) : null;
  return {
    x,
    times,
    labels: kept.map((row) => (x === '' ? '' : label(row[x]))),
    series: shown.map((name) => ({ name, values: kept.map((row) => numeric(row[name])) })),
    dropped: values.length - shown.length + (rows.length - kept.length),
  };
}

function label(value: unknown): string {
  return Array.isArray(value) ? value.join(', ') : String(value ?? '');
}

function pivot(rows: readonly Row[], x: string, split: string, value: string): ChartData {
  const labels = [...new Set(rows.map((row) => label(row[x])))];
  const sums = new Map<string, number>();
  for (const row of rows) sums.set(label(row[split]), (sums.get(label(row[split])) ?? 0) + (numeric(row[value]) ?? 0));
  const names = [...sums].sort((a, b) => b[1] - a[1]).map(([name]) => name);
  const keptLabels = labels.slice(0, CATEGORIES_MAX);
  const place = new Map(keptLabels.map((name, index) => [name, index]));
  const series = names.slice(0, SERIES_MAX).map((name) => ({ name, values: keptLabels.map((): number | null => null) }));
  const byName = new Map(series.map((item) => [item.name, item]));
  for (const row of rows) {
    const at = place.get(label(row[x]));
    const item = byName.get(label(row[split]));
    if (at !== undefined && item) item.values[at] = numeric(row[value]);
  }
  return { x, times: null, labels: keptLabels, series, dropped: names.length - series.length + labels.length - keptLabels.length };
}

/** Round places for an axis of values from zero (or below) to `max`. */
export function valueTicks(min: number, max: number, count: number): number[] {
  const low = Math.min(0, min);
  const high = max <= low ? low + 1 : max;
  const rough = (high - low) / Math.max(1, count);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  const ticks: number[] = [];
  for (let index = Math.floor(low / step); index * step < high + step * 0.999; index += 1) {
    ticks.push(Number((index * step).toPrecision(12)));
    if (index * step >= high) break;
  }
  return ticks;
}

/** The colour number of each name: the same name has the same one everywhere, unless two of this chart collide. */
export function colourNumbers(names: readonly string[], colours: number): Map<string, number> {
  const taken = new Set<number>();
  const result = new Map<string, number>();
  for (const name of [...names].sort()) {
    let hash = 2166136261;
    for (let at = 0; at < name.length; at += 1) hash = Math.imul(hash ^ name.charCodeAt(at), 16777619);
    let colour = (hash >>> 0) % colours;
    for (let tries = 0; taken.has(colour) && tries < colours; tries += 1) colour = (colour + 1) % colours;
    taken.add(colour);
    result.set(name, colour);
  }
  return result;
}

/** What is counted and over what, from the command that made the table. */
export function chartTitle(command: string, data: ChartData): string {
  const text = /^\s*timechart\s+(.*)$/is.exec(command)?.[1];
  if (text !== undefined && data.times) {
    const seconds = ((data.times[1] ?? 0) - (data.times[0] ?? 0)) / 1000;
    // Months are 28 to 31 days long, whichever comes first.
    const month = seconds >= 28 * 86_400 && seconds <= 31 * 86_400;
    const span = data.times.length > 1 ? `, per ${month ? 'month' : spanText(seconds)}` : '';
    return text.replace(/\b\w+=\S+\s*/g, '').replace(/\s+/g, ' ').trim() + span;
  }
  const names = data.series.slice(0, 3).map((item) => item.name).join(', ');
  const over = data.x === '_time' ? 'time' : data.x;
  return over === '' ? names : `${data.series.length > 3 ? 'Values' : names} by ${over}`;
}
