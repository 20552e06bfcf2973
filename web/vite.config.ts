import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

// During work on the page, requests for data go to a running server.
const server = process.env['TAFFRAIL_URL'] ?? 'http://127.0.0.1:8514';

export default defineConfig({
  plugins: [svelte()],
  server: {
    // The server refuses an Origin that is not its own, so the development proxy speaks in its name.
    proxy: { '/api': { target: server, changeOrigin: true, headers: { origin: server } } },
  },
  build: {
    target: ['chrome123', 'firefox121', 'safari17.5'],
    outDir: 'dist',
    emptyOutDir: true,
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  test: { include: ['src/logic/**/*.test.ts'], environment: 'node' },
});
