// The whole result as a file: read anew without a limit, said how far it is, and handed to the browser.
import { search as runSearch, toApiError } from '../api/client';
import type { FieldInfo } from '../api/types';
import { csvCell, exportLines, type ExportFormat } from '../logic/export';
import { bytes, number } from '../logic/format';
import { screen } from './screen.svelte';

/** A browser holds the file in memory; beyond this the command line is the way. */
const MOST_BYTES = 1_000_000_000;

/** Saves every row of the search. */
export async function exportResult(request: { query: string; from: string | null; to: string | null }, known: readonly FieldInfo[], format: ExportFormat): Promise<void> {
  const abort = new AbortController();
  const parts: string[] = [];
  let fields = known.map((field) => field.name);
  let rows = 0;
  let size = 0;
  let cut = false;
  try {
    const range = { ...(request.from === null ? {} : { earliest: request.from }), ...(request.to === null ? {} : { latest: request.to }) };
    for await (const message of runSearch({ query: request.query, ...range, limit: 0, preview: false }, abort.signal)) {
      if (message.type === 'error') throw new Error(message.error.message);
      if (message.type === 'start' && message.fields.length > 0) fields = message.fields.map((field) => field.name);
      if (message.type !== 'rows' || message.preview) continue;
      if (format === 'csv' && parts.length === 0) parts.push(`${fields.map(csvCell).join(',')}\r\n`);
      const text = exportLines(message.rows, fields, format);
      parts.push(text);
      rows += message.rows.length;
      size += text.length;
      screen.say(`Exporting: ${number(rows)} rows, ${bytes(size)}`);
      if (size > MOST_BYTES) {
        cut = true;
        abort.abort();
        break;
      }
    }
    save(parts, format);
    screen.say(cut ? `Cut after ${number(rows)} rows: more than ${bytes(MOST_BYTES)}. taffrail search --limit 0 writes all of it` : `${number(rows)} rows exported, ${bytes(size)}`);
  } catch (error) {
    screen.say(`Not exported: ${error instanceof Error ? error.message : toApiError(error).message}`);
  }
}

function save(parts: string[], format: ExportFormat): void {
  const type = { csv: 'text/csv', json: 'application/x-ndjson', raw: 'text/plain' }[format];
  const suffix = { csv: 'csv', json: 'ndjson', raw: 'log' }[format];
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(parts, { type: `${type};charset=utf-8` }));
  link.download = `taffrail-${new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-')}.${suffix}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
