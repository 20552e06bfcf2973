// What may come next in a query: commands after a pipe, functions and fields in their places, values after `=`.
import type { Completion, CompletionContext, CompletionResult } from '@codemirror/autocomplete';
import type { FieldSummaryItem, Language } from '../api/types';
import { short } from '../logic/format';
import { quoteValue } from '../logic/query';
import { place, type Place } from '../logic/place';

export interface Knowledge {
  language: Language;
  fields: FieldSummaryItem[];
}

function commands(know: Knowledge): Completion[] {
  return know.language.commands.map((item) => ({ label: item.name, detail: item.summary, type: 'command', info: item.syntax, apply: `${item.name} ` }));
}

function fields(know: Knowledge, suffix: string): Completion[] {
  return know.fields.map((item) => ({ label: item.name, detail: `field, ${short(item.count)} events`, type: 'field', apply: item.name + suffix, boost: Math.min(50, Math.log10(item.count + 1) * 5) }));
}

function functions(know: Knowledge, kind: 'eval' | 'stats'): Completion[] {
  return know.language.functions.filter((item) => item.kind === kind)
    .map((item) => ({ label: item.name, detail: item.summary, type: 'function', info: item.syntax, apply: item.syntax.includes('(') ? `${item.name}(` : item.name }));
}

function values(know: Knowledge, field: string): Completion[] {
  const item = know.fields.find((candidate) => candidate.name === field);
  return (item?.top ?? []).map((top) => {
    const value = String(top.value);
    return { label: value, detail: `${short(top.count)} events`, type: 'value', apply: /^[\w./@-]+$/.test(value) ? value : quoteValue(value) };
  });
}

function options(found: Place, know: Knowledge): Completion[] {
  switch (found.kind) {
    case 'command':
      return commands(know);
    case 'value':
      return values(know, found.field);
    case 'search':
      return [...fields(know, '='), ...['AND', 'OR', 'NOT'].map((label) => ({ label, type: 'keyword', boost: -50 }))];
    case 'stats':
      return [...functions(know, 'stats'), ...fields(know, ''), { label: 'by', detail: 'groups', type: 'keyword', apply: 'by ' }];
    case 'eval':
      return [...functions(know, 'eval'), ...fields(know, '')];
    case 'fields':
      return fields(know, ' ');
    case 'none':
      return [];
  }
}

/** The completion source over what is known at the moment of asking. */
export function completer(know: () => Knowledge) {
  return (context: CompletionContext): CompletionResult | null => {
    const found = place(context.state.doc.toString(), context.pos);
    const word = context.state.sliceDoc(found.from, context.pos);
    // Unasked only while a word is being typed, or where a command or value must follow.
    if (!context.explicit && word === '' && found.kind !== 'value' && !(found.kind === 'command' && context.pos > 0)) return null;
    const list = options(found, know());
    return list.length === 0 ? null : { from: found.from, options: list, validFor: /^[\w.@-]*$/ };
  };
}
