// Puts a brotli copy beside each file of web/dist that gets smaller by it, so that the server never compresses.
import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { brotliCompressSync, constants } from 'node:zlib';

const dist = fileURLToPath(new URL('../dist', import.meta.url));
const worthIt = /\.(js|css|html|svg|json|webmanifest)$/;

function files(folder) {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    return statSync(path).isDirectory() ? files(path) : [path];
  });
}

let before = 0;
let after = 0;
for (const path of files(dist).filter((name) => worthIt.test(name))) {
  const raw = readFileSync(path);
  const packed = brotliCompressSync(raw, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length },
  });
  before += raw.length;
  if (packed.length < raw.length) {
    writeFileSync(`${path}.br`, packed);
    after += packed.length;
  } else {
    after += raw.length;
  }
}
console.log(`page: ${(before / 1024).toFixed(0)} KB, ${(after / 1024).toFixed(0)} KB as sent`);
