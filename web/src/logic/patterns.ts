// The text of a pattern in pieces: what is constant, and where it varies.

export interface PatternPiece {
  text: string;
  slot: boolean;
}

const SLOTS: Record<string, string> = { '<*>': '∗', '<time>': 'time', '<raw>': 'any text' };

/** The pieces to draw; a slot is named by what stands in it. */
export function patternPieces(text: string): PatternPiece[] {
  return text
    .split(/(<\*>|<time>|<raw>)/)
    .filter((piece) => piece !== '')
    .map((piece) => (piece in SLOTS ? { text: SLOTS[piece] as string, slot: true } : { text: piece.replace(/\n/g, ' ⏎ '), slot: false }));
}
