// The query box: CodeMirror with our colours, our completion and our keys. Knows no component and no store.
import { autocompletion, closeBrackets, closeBracketsKeymap, completionKeymap, completionStatus, type CompletionSource } from '@codemirror/autocomplete';
import { defaultKeymap, history, historyKeymap } from '@codemirror/commands';
import { bracketMatching } from '@codemirror/language';
import { EditorState, StateEffect, StateField, type Extension } from '@codemirror/state';
import { Decoration, EditorView, keymap, placeholder, ViewPlugin, type DecorationSet, type ViewUpdate } from '@codemirror/view';
import { tokenize } from '../logic/tokens';

/** Where the query is wrong, in UTF-16 units. */
export interface Fault {
  from: number;
  to: number;
}

export const setFault = StateEffect.define<Fault | null>();

const faultField = StateField.define<DecorationSet>({
  create: () => Decoration.none,
  update(marks, transaction) {
    let next = marks.map(transaction.changes);
    for (const effect of transaction.effects) {
      if (!effect.is(setFault)) continue;
      const fault = effect.value;
      const length = transaction.state.doc.length;
      next = fault && fault.from < Math.min(fault.to, length)
        ? Decoration.set([Decoration.mark({ class: 'q-fault' }).range(fault.from, Math.min(fault.to, length))])
        : Decoration.none;
    }
    return next;
  },
  provide: (field) => EditorView.decorations.from(field),
});

function colours(view: EditorView): DecorationSet {
  const text = view.state.doc.toString();
  // A query of a megabyte is somebody's accident; plain text is good enough for it.
  if (text.length > 100_000) return Decoration.none;
  return Decoration.set(tokenize(text).filter((token) => token.to > token.from).map((token) => Decoration.mark({ class: `q-${token.kind}` }).range(token.from, token.to)));
}

const highlight = ViewPlugin.fromClass(
  class {
    decorations: DecorationSet;
    constructor(view: EditorView) {
      this.decorations = colours(view);
    }
    update(update: ViewUpdate): void {
      if (update.docChanged) this.decorations = colours(update.view);
    }
  },
  { decorations: (plugin) => plugin.decorations },
);

export interface EditorEvents {
  run: (text: string) => void;
  change: (text: string) => void;
  /** The text to show for one step up (1) or down (-1) in the history; null when there is none. */
  recall: (step: number, text: string) => string | null;
  complete: CompletionSource;
}

/** Replaces the whole text and puts the cursor at its end. */
export function setText(view: EditorView, text: string): void {
  if (view.state.doc.toString() === text) return;
  view.dispatch({ changes: { from: 0, to: view.state.doc.length, insert: text }, selection: { anchor: text.length } });
}

function recall(events: EditorEvents, step: number) {
  return (view: EditorView): boolean => {
    if (completionStatus(view.state) === 'active') return false;
    const head = view.state.selection.main.head;
    const line = view.state.doc.lineAt(head).number;
    if (step > 0 ? line !== 1 : line !== view.state.doc.lines) return false;
    const text = events.recall(step, view.state.doc.toString());
    if (text === null) return false;
    setText(view, text);
    return true;
  };
}

/** Makes the editor in `parent`. */
export function makeEditor(parent: HTMLElement, text: string, hint: string, events: EditorEvents): EditorView {
  const keys = keymap.of([
    { key: 'Enter', run: (view) => (completionStatus(view.state) === 'active' ? false : (events.run(view.state.doc.toString()), true)) },
    { key: 'Mod-Enter', run: (view) => (events.run(view.state.doc.toString()), true) },
    { key: 'ArrowUp', run: recall(events, 1) },
    { key: 'ArrowDown', run: recall(events, -1) },
    { key: 'Escape', run: (view) => (completionStatus(view.state) !== null ? false : (view.contentDOM.blur(), true)) },
    { key: 'Mod-k', run: () => false },
  ]);
  const extensions: Extension[] = [
    history(),
    bracketMatching(),
    closeBrackets(),
    // A completion is taken with Tab or by choosing it; Enter on an untouched list runs the query.
    autocompletion({ override: [events.complete], icons: false, selectOnOpen: false, maxRenderedOptions: 40, tooltipClass: () => 'q-complete' }),
    highlight,
    faultField,
    EditorView.lineWrapping,
    placeholder(hint),
    EditorView.contentAttributes.of({ 'aria-label': 'Query', spellcheck: 'false', autocorrect: 'off', autocapitalize: 'off', enterkeyhint: 'search' }),
    EditorView.updateListener.of((update) => {
      if (update.docChanged) events.change(update.state.doc.toString());
    }),
    keymap.of(completionKeymap),
    keys,
    keymap.of([...closeBracketsKeymap, ...historyKeymap, ...defaultKeymap.filter((binding) => binding.key !== 'Mod-k')]),
  ];
  return new EditorView({ parent, state: EditorState.create({ doc: text, selection: { anchor: text.length }, extensions }) });
}

