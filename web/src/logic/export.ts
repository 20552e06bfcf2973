// Rows as files.
import type { Row } from '../api/types';
import { text } from './format';

export type ExportFormat = 'csv' | 'json' | 'raw';

/** One cell of a CSV file, quoted when it must be. The value is never changed: an export is evidence. */
export function csvCell(value: unknown): string {
  const cell = Array.isArray(value) ? value.join('\n') : text(value);
  return /[",\n\r]/.test(cell) ? `"${cell.replace(/"/g, '""')}"` : cell;
}

/** The rows as lines of the format, without a header. */
export function exportLines(rows: readonly Row[], fields: readonly string[], format: ExportFormat): string {
  return rows.map((row) => {
    if (format === 'json') return `${JSON.stringify(row)}\n`;
    if (format === 'raw') return `${text(row['_raw'])}\n`;
    return `${fields.map((name) => csvCell(row[name])).join(',')}\r\n`;
  }).join('');
}
