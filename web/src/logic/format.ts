// Numbers, sizes and durations as people read them. No dates here: see time.ts.

/** U+202F, a thin space that does not break: groups digits without looking like a decimal sign. */
export const THIN = '\u202f';

/** A whole number with thin spaces; fractions keep at most three digits. */
export function number(value: number): string {
  if (!Number.isFinite(value)) return String(value);
  const negative = value < 0;
  const magnitude = Math.abs(value);
  if (magnitude >= 1e15) return String(value);
  const rounded = Number.isInteger(magnitude) ? String(magnitude) : String(Number(magnitude.toFixed(magnitude < 1 ? 4 : 3)));
  const [whole = '0', fraction] = rounded.split('.');
  const grouped = whole.length > 4 ? whole.replace(/\B(?=(\d{3})+(?!\d))/g, THIN) : whole;
  return (negative ? '−' : '') + grouped + (fraction ? `.${fraction}` : '');
}

/** At most four characters: 9 999, 12k, 1.2M. */
export function short(value: number): string {
  const magnitude = Math.abs(value);
  if (magnitude < 1000) return Number.isInteger(value) ? String(value) : value.toFixed(magnitude < 10 ? 1 : 0);
  for (const [size, unit] of [[1e12, 'T'], [1e9, 'G'], [1e6, 'M'], [1e3, 'k']] as const) {
    // 999 950 is a million, not "1000.0k".
    if (magnitude >= size * 0.9995) {
      const scaled = value / size;
      return (Math.abs(scaled) < 9.95 ? scaled.toFixed(1).replace(/\.0$/, '') : scaled.toFixed(0)) + unit;
    }
  }
  return String(value);
}

/** 812 B, 3.1 MB: decimal units, as disks and networks count. */
export function bytes(value: number): string {
  if (value < 1000) return `${Math.round(value)}${THIN}B`;
  for (const [size, unit] of [[1e12, 'TB'], [1e9, 'GB'], [1e6, 'MB'], [1e3, 'kB']] as const) {
    if (value >= size) {
      const scaled = value / size;
      return `${scaled < 10 ? scaled.toFixed(1) : scaled.toFixed(0)}${THIN}${unit}`;
    }
  }
  return `${value}${THIN}B`;
}

/** 38 ms, 1.2 s, 3 min 4 s. */
export function elapsed(milliseconds: number): string {
  if (milliseconds < 1) return `<${THIN}1${THIN}ms`;
  if (milliseconds < 1000) return `${Math.round(milliseconds)}${THIN}ms`;
  if (milliseconds < 60_000) return `${(milliseconds / 1000).toFixed(1)}${THIN}s`;
  return `${Math.floor(milliseconds / 60_000)}${THIN}min ${Math.round((milliseconds % 60_000) / 1000)}${THIN}s`;
}

/** A share of one as a percentage: 91 %, 0.4 %, < 0.1 %. */
export function percent(share: number): string {
  const value = share * 100;
  if (value === 0) return `0${THIN}%`;
  if (value < 0.1) return `<${THIN}0.1${THIN}%`;
  if (value >= 99.95 || value === Math.round(value)) return `${Math.floor(value)}${THIN}%`;
  return `${value < 10 ? value.toFixed(1) : value.toFixed(0)}${THIN}%`;
}

/** `one` or the number with `many`. */
export function plural(count: number, one: string, many = `${one}s`): string {
  return `${number(count)} ${count === 1 ? one : many}`;
}

/** A value of a row as text; a list is joined with commas. */
export function text(value: unknown): string {
  if (value === null || value === undefined) return '';
  return Array.isArray(value) ? value.join(', ') : String(value);
}
