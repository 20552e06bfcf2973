// The shapes of the HTTP API, written by hand to match the server. Nothing else in the page describes them.

export type Value = string | number | boolean | string[] | null;
export type Row = Record<string, Value | undefined>;

export interface Span {
  start: number;
  end: number;
}

/** What the server says when it refuses; spans are byte offsets into the query. */
export interface ApiErrorBody {
  kind: string;
  message: string;
  hint?: string | null;
  span?: Span | [number, number] | null;
  suggestions?: string[];
}

export interface FieldInfo {
  name: string;
  kind: string;
}

export type SearchMessage =
  | {
      type: 'start';
      id: string;
      kind: 'events' | 'table';
      fields: FieldInfo[];
      query: string;
      earliest?: string | null;
      latest?: string | null;
    }
  | ({ type: 'progress' } & Progress)
  | { type: 'rows'; preview: boolean; offset: number; rows: Row[] }
  | { type: 'message'; severity: 'info' | 'warn' | 'error'; text: string }
  | ({ type: 'done' } & Done)
  | { type: 'error'; error: ApiErrorBody };

export interface Progress {
  segments_done: number;
  segments_total: number;
  events_scanned: number;
  events_matched: number;
  bytes_read: number;
  elapsed_ms: number;
}

export interface Done {
  rows: number;
  matched: number;
  scanned: number;
  elapsed_ms: number;
  bytes_read: number;
  exact: boolean;
  truncated: boolean;
}

export interface SearchRequest {
  query: string;
  earliest?: string;
  latest?: string;
  limit?: number;
  preview?: boolean;
}

export type ExportFormat = 'csv' | 'json' | 'raw';

export interface ExportRequest extends Omit<SearchRequest, 'preview'> {
  format: ExportFormat;
}

export interface Timeline {
  earliest: string;
  latest: string;
  span_seconds: number;
  buckets: { time: string; count: number }[];
  total: number;
}

export interface FieldValue {
  value: string | number;
  count: number;
}

export interface FieldSummaryItem {
  name: string;
  kind: string;
  count: number;
  distinct: number;
  top: FieldValue[];
  min?: number | null;
  max?: number | null;
  mean?: number | null;
}

export interface FieldSummary {
  events: number;
  /** False when only the newest events were looked at. */
  complete?: boolean;
  fields: FieldSummaryItem[];
}

export interface PatternItem {
  id: string;
  /** The patterns of the store that it stands for, as their events have them in `_pattern`. */
  members?: string[];
  text: string;
  sourcetype: string;
  count: number;
  share: number;
  trend: number[];
  first: string;
  last: string;
  sample: string;
}

export interface PatternSummary {
  events: number;
  patterns: PatternItem[];
}

export interface Command {
  name: string;
  syntax: string;
  summary: string;
}

export interface LanguageFunction extends Command {
  kind: 'eval' | 'stats';
}

export interface Language {
  commands: Command[];
  functions: LanguageFunction[];
}

export type TokenClass =
  | 'command'
  | 'function'
  | 'field'
  | 'operator'
  | 'keyword'
  | 'string'
  | 'number'
  | 'term'
  | 'pipe'
  | 'wildcard'
  | 'comment'
  | 'time'
  | 'error';

export interface CheckResult {
  tokens: { start: number; end: number; class: TokenClass }[];
  error: Omit<ApiErrorBody, 'kind'> | null;
}

export interface IndexStat {
  index: string;
  events: number;
  raw_bytes: number;
  stored_bytes: number;
  segments: number;
  patterns: number;
  earliest: string | null;
  latest: string | null;
}

export interface SourceStat {
  index: string;
  host?: string | null;
  source: string;
  sourcetype: string;
  events: number;
  latest: string | null;
}

export interface Health {
  status: string;
  version: string;
  uptime_seconds: number;
  data: { events: number; segments: number };
}
