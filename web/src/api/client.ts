// The only place that talks to the server. Every call can be cancelled; every failure is an ApiError.
import { jsonLines } from './ndjson';
import type {
  ApiErrorBody, CheckResult, ExportRequest, FieldSummary, Health, IndexStat, Language, PatternSummary, SearchMessage, SearchRequest,
  SourceStat, Span, Timeline,
} from './types';

/** A refusal of the server, or a failure to reach it. */
export class ApiError extends Error {
  constructor(
    readonly body: ApiErrorBody,
    readonly status: number,
  ) {
    super(body.message);
  }

  /** Where in the query it went wrong, as byte offsets. */
  get span(): Span | null {
    return spanOf(this.body.span);
  }
}

/** The span in either of the two spellings. */
export function spanOf(span: ApiErrorBody['span']): Span | null {
  if (!span) return null;
  return Array.isArray(span) ? { start: span[0], end: span[1] } : span;
}

/** Whether `error` only says that we cancelled it ourselves. */
export function isCancelled(error: unknown): boolean {
  return error instanceof DOMException && error.name === 'AbortError';
}

/** Any failure as an ApiError. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (error instanceof SyntaxError) {
    return new ApiError({ kind: 'bug', message: 'The server answered with something that is not JSON', hint: error.message }, 0);
  }
  return new ApiError(
    {
      kind: 'unreachable',
      message: 'The server does not answer',
      hint: 'Is taffrail serve still running? Run the search again when it is.',
    },
    0,
  );
}

async function refuse(response: Response): Promise<never> {
  const text = await response.text();
  try {
    const body = JSON.parse(text) as { error?: ApiErrorBody };
    if (body.error) throw new ApiError(body.error, response.status);
  } catch (error) {
    if (error instanceof ApiError) throw error;
  }
  throw new ApiError({ kind: 'http', message: `The server answered ${response.status} ${response.statusText}`, hint: text.slice(0, 300) }, response.status);
}

async function call(path: string, body: unknown, signal?: AbortSignal): Promise<Response> {
  const init: RequestInit = body === undefined
    ? {}
    : { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) };
  const response = await fetch(`/api/v1${path}`, signal ? { ...init, signal } : init);
  if (!response.ok) await refuse(response);
  return response;
}

async function json<T>(path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
  return (await (await call(path, body, signal)).json()) as T;
}

/** The part of a request that says which events. */
export type Range = Pick<SearchRequest, 'query' | 'earliest' | 'latest'>;

/** The messages of a running search, as they come. */
export async function* search(request: SearchRequest, signal: AbortSignal): AsyncGenerator<SearchMessage> {
  const response = await call('/search', request, signal);
  if (response.body) yield* jsonLines<SearchMessage>(response.body);
}

export const api = {
  timeline: (range: Range & { buckets: number }, signal: AbortSignal) => json<Timeline>('/search/timeline', range, signal),
  fields: (range: Range, signal: AbortSignal) => json<FieldSummary>('/search/fields', range, signal),
  patterns: (range: Range, signal: AbortSignal) => json<PatternSummary>('/search/patterns', range, signal),
  /** The rows as a file; raw ones are the bytes that came in. */
  export: (request: ExportRequest, signal: AbortSignal) => call('/search/export', request, signal),
  check: (query: string, signal: AbortSignal) => json<CheckResult>('/check', { query }, signal),
  language: () => json<Language>('/language'),
  health: () => json<Health>('/health'),
  stat: () => json<{ indexes: IndexStat[] }>('/stat').then((answer) => answer.indexes),
  sources: () => json<SourceStat[]>('/sources'),
  /** Opens the live tail; the caller closes it. */
  tail: (query: string) => new EventSource(`/api/v1/tail?query=${encodeURIComponent(query)}`),
};
