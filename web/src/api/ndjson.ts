// Cuts a byte stream into lines of JSON. Lines may be split anywhere, also inside a character.

/** Yields each line of the stream as parsed JSON; an empty line is skipped. */
export async function* jsonLines<T>(body: ReadableStream<Uint8Array>): AsyncGenerator<T> {
  const reader = body.getReader();
  const decoder = new TextDecoder();
  let parts: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) break;
      const text = decoder.decode(value, { stream: true });
      let from = 0;
      for (let end = text.indexOf('\n'); end >= 0; end = text.indexOf('\n', from)) {
        parts.push(text.slice(from, end));
        from = end + 1;
        const line = parts.join('');
        parts = [];
        if (line.trim() !== '') yield JSON.parse(line) as T;
      }
      // Kept as parts, so that one line of many megabytes is joined once and not once a chunk.
      if (from < text.length) parts.push(text.slice(from));
    }
    const rest = parts.join('') + decoder.decode();
    if (rest.trim() !== '') yield JSON.parse(rest) as T;
  } finally {
    reader.cancel().catch(() => undefined);
  }
}
