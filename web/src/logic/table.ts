// Order of the values of a column.
import type { Row, Value } from '../api/types';

/** Numbers by size, text by letters, nothing last. */
export function compareValues(a: Value | undefined, b: Value | undefined): number {
  const emptyA = a === undefined || a === null;
  const emptyB = b === undefined || b === null;
  if (emptyA || emptyB) return Number(emptyA) - Number(emptyB);
  const numberA = Number(Array.isArray(a) ? NaN : a === '' ? NaN : a);
  const numberB = Number(Array.isArray(b) ? NaN : b === '' ? NaN : b);
  if (!Number.isNaN(numberA) && !Number.isNaN(numberB)) return numberA - numberB;
  const textA = String(a);
  const textB = String(b);
  return textA < textB ? -1 : textA > textB ? 1 : 0;
}

/** Whether every value of a column that is there is a number. */
export function isNumberLike(rows: readonly Row[], name: string): boolean {
  let seen = false;
  for (const row of rows.slice(0, 200)) {
    const value = row[name];
    if (value === undefined || value === null || value === '') continue;
    if (typeof value !== 'number' && !(typeof value === 'string' && Number.isFinite(Number(value)))) return false;
    seen = true;
  }
  return seen;
}
