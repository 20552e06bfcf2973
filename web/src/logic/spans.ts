// The server counts bytes, the editor counts UTF-16 units.

/** The place in `text` that stands `bytes` UTF-8 bytes from its start. */
export function indexOfByte(text: string, bytes: number): number {
  let seen = 0;
  let index = 0;
  for (const character of text) {
    if (seen >= bytes) break;
    const code = character.codePointAt(0) ?? 0;
    seen += code < 0x80 ? 1 : code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
    index += character.length;
  }
  return index;
}

/** A span of bytes as a span of UTF-16 units, inside the text and never empty where there is text. */
export function textSpan(text: string, span: { start: number; end: number }): { from: number; to: number } {
  let from = indexOfByte(text, span.start);
  let to = Math.max(from, indexOfByte(text, span.end));
  if (to === from) {
    if (to < text.length) to += 1;
    else from = Math.max(0, from - 1);
  }
  return { from, to };
}
