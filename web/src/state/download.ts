// The whole result as a file: the server writes it, the browser keeps it. Says how far it is.
import { api, toApiError } from '../api/client';
import type { ExportFormat } from '../api/types';
import { bytes } from '../logic/format';
import { boundsOf } from '../logic/relative';
import { screen } from './screen.svelte';

/** A browser holds the file in memory; beyond this the command line is the way. */
const MOST_BYTES = 1_500_000_000;

/** Saves every row of the search. */
export async function exportResult(request: { query: string; from: string | null; to: string | null }, format: ExportFormat): Promise<void> {
  const abort = new AbortController();
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  try {
    screen.say('Exporting');
    const response = await api.export({ query: request.query.trim() || '*', ...boundsOf(request.from, request.to), limit: 0, format }, abort.signal);
    const reader = response.body?.getReader();
    for (;;) {
      const next = await reader?.read();
      if (!next || next.done) break;
      parts.push(next.value as Uint8Array<ArrayBuffer>);
      size += next.value.length;
      screen.say(`Exporting: ${bytes(size)}`);
      if (size > MOST_BYTES) {
        abort.abort();
        screen.say(`Not exported: more than ${bytes(MOST_BYTES)}. taffrail search --limit 0 writes any size`);
        return;
      }
    }
    save(parts, format);
    screen.say(`Exported, ${bytes(size)}`);
  } catch (error) {
    // A part must not be taken for the whole: what broke off is not saved.
    screen.say(`Not exported: ${toApiError(error).message}`);
  }
}

function save(parts: Uint8Array<ArrayBuffer>[], format: ExportFormat): void {
  const suffix = { csv: 'csv', json: 'ndjson', raw: 'log' }[format];
  const link = document.createElement('a');
  link.href = URL.createObjectURL(new Blob(parts, { type: 'application/octet-stream' }));
  link.download = `taffrail-${new Date().toISOString().slice(0, 19).replace(/[:T]/g, '-')}.${suffix}`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
}
