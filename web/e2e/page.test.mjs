// The real page in a real browser on a real server: what somebody does, and what they must then see.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync } from 'node:fs';
import { after, afterEach, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright-core';
import { ingest, startServer } from './server.mjs';

const SHOTS = fileURLToPath(new URL('../test-results', import.meta.url));
const BROWSER = process.env.TAFFRAIL_CHROMIUM ?? ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path));
const QUERY = 'session AND opened AND user AND root';

let server;
let browser;
let page;
let complaints = [];

before(async () => {
  mkdirSync(SHOTS, { recursive: true });
  server = await startServer();
  browser = await chromium.launch({
    executablePath: BROWSER,
    args: ['--headless', '--no-sandbox', '--disable-gpu', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'],
  });
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

afterEach(async () => {
  await page?.context().close();
  page = undefined;
  // A query that the server refuses is an answer of 400, which the browser writes down by itself.
  const real = complaints.filter((text) => !/status of 400/.test(text));
  complaints = [];
  assert.deepEqual(real, [], 'errors in the console');
});

async function open(path, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, colorScheme: 'light', ...options });
  page = await context.newPage();
  page.setDefaultTimeout(20_000);
  page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()));
  page.on('pageerror', (error) => complaints.push(String(error)));
  await page.goto(server.url + path);
  return page;
}

const at = (name) => page.locator(`[data-test="${name}"]`);
const query = (path, text, rest = '&from=all') => `${path}?q=${encodeURIComponent(text)}${rest}`;
const shot = (name) => page.screenshot({ path: `${SHOTS}/${name}.png` });
const digits = (text) => Number(text.replace(/\D/g, ''));
const parameter = (name) => new URL(page.url()).searchParams.get(name);

async function type(text) {
  await page.locator('.cm-content').click();
  await page.keyboard.press('Control+a');
  await page.keyboard.insertText(text);
  await page.keyboard.press('Enter');
}

async function finished() {
  await page.waitForFunction(() => /^(?!.*at least).*(exact|approximate|partial)/s.test(document.querySelector('[data-test="result-line"]')?.textContent ?? ''));
}

test('opens on the newest events, with fields and timeline', async () => {
  await open('/');
  await at('event').first().waitFor();
  assert.equal(new URL(page.url()).pathname, '/search');
  assert.equal(parameter('from'), '-24h', 'there is something in the last day');
  await at('field-host').waitFor();
  await page.locator('[data-test="timeline"] rect.bar').first().waitFor();
  await shot('start');
});

test('finds what is typed and marks the words', async () => {
  await open('/search?from=all');
  await type(QUERY);
  await page.locator('[data-test="event"] mark').first().waitFor();
  await finished();
  const words = await at('event').first().locator('mark').allTextContents();
  for (const word of ['session', 'opened', 'user', 'root']) assert.ok(words.includes(word), `${word} is marked`);
  assert.equal(parameter('q'), QUERY);
  const found = digits(await at('matched').textContent());
  assert.ok(found > 50, `${found} found`);
  await shot('events');
  await page.goBack();
  assert.equal(parameter('q'), null, 'back undoes it');
  await page.goForward();
  await page.locator('[data-test="event"] mark').first().waitFor();
  assert.equal(digits(await at('matched').textContent()), found);
});

test('an error stands under its word, with the way out', async () => {
  await open(query('/search', 'session | statz count by host'));
  const fault = page.locator('.fault');
  await fault.waitFor();
  const mark = page.locator('.q-fault').first();
  assert.equal(await mark.textContent(), 'statz');
  const [word, tick] = [await mark.boundingBox(), await page.locator('.fault .tick').boundingBox()];
  assert.ok(tick.y > word.y && Math.abs(tick.x - word.x) < 40, 'the message begins under the word');
  await shot('error');
  await fault.getByRole('button', { name: 'stats', exact: true }).click();
  await at('table').waitFor();
  assert.equal(parameter('q'), 'session | stats count by host');
  assert.equal(await page.locator('.fault').count(), 0);
});

test('an error shows while typing rests, before the query runs', async () => {
  await open('/search?from=all');
  await page.locator('.cm-content').click();
  await page.keyboard.insertText('a | nosuchcommand');
  await page.locator('.fault').waitFor();
  assert.equal(parameter('q'), null);
});

test('dragging on the timeline zooms, and the address follows', async () => {
  await open(query('/search', 'session'));
  await finished();
  const before = digits(await at('matched').textContent());
  const box = await page.locator('[data-test="timeline"] svg').boundingBox();
  await page.mouse.move(box.x + box.width * 0.5, box.y + 30);
  await page.mouse.down();
  await page.mouse.move(box.x + box.width * 0.8, box.y + 30, { steps: 5 });
  await shot('zoom');
  await page.mouse.up();
  await page.waitForURL((url) => (url.searchParams.get('from') ?? '').startsWith('20') && (url.searchParams.get('to') ?? '').startsWith('20'));
  await page.waitForFunction((old) => {
    const text = document.querySelector('[data-test="matched"]')?.textContent ?? '';
    return text !== '' && Number(text.replace(/\D/g, '')) !== old;
  }, before);
  assert.ok(digits(await at('matched').textContent()) < before);
});

test('a value of a field is added to the query, or excluded', async () => {
  await open(query('/search', 'session'));
  await at('field-host').click();
  const value = page.locator('[data-test="fields"] .value[data-field="host"]').first();
  await value.waitFor();
  const name = await value.getAttribute('data-value');
  await shot('fields');
  await value.locator('.add').click();
  await page.waitForURL((url) => url.searchParams.get('q') === `session host=${name}`);
  await finished();
  for (const host of await page.locator('[data-test="event"] .host').allTextContents()) assert.equal(host, name);
});

test('an event opens with its fields, and leads on', async () => {
  await open(query('/search', QUERY));
  await at('event').first().click();
  await at('detail').waitFor();
  await at('detail').locator('dt', { hasText: 'sourcetype' }).waitFor();
  await shot('event');
  await at('detail').getByRole('button', { name: 'Only this pattern' }).click();
  await page.waitForURL((url) => /_pattern="[0-9a-f]{16}"/.test(url.searchParams.get('q') ?? ''));
  await at('event').first().waitFor();
});

test('marked text becomes a part of the query', async () => {
  await open(query('/search', QUERY));
  await at('event').first().click();
  await at('detail').locator('mark', { hasText: 'opened' }).first().dblclick();
  await at('selection').getByRole('button', { name: 'Exclude' }).click();
  await page.waitForURL((url) => (url.searchParams.get('q') ?? '').endsWith('NOT opened'));
});

test('patterns: each once, and a click shows its events', async () => {
  await open(query('/search', '', '&from=all&view=patterns'));
  await at('pattern').nth(2).waitFor();
  await shot('patterns');
  const count = digits(await at('pattern').first().locator('.count').textContent());
  await at('pattern').first().locator('.text').click();
  await page.waitForURL((url) => /^_pattern(=| IN )/.test(url.searchParams.get('q') ?? ''));
  await at('event').first().waitFor();
  await finished();
  assert.ok(digits(await at('matched').textContent()) >= count);
});

test('statistics as table and chart, with the way back to the events', async () => {
  await open(query('/search', 'session | stats count by host'));
  await at('row').first().waitFor();
  const hosts = await at('row').locator('td:first-child').allTextContents();
  assert.ok(hosts.length >= 4);
  await shot('table');
  await at('view-chart').click();
  await page.locator('[data-test="chart"] svg rect').first().waitFor();
  assert.equal(parameter('view'), 'chart');
  await shot('chart-bar');
  await type('session | timechart count by host');
  await page.locator('[data-test="chart"] svg path').first().waitFor();
  await shot('chart-line');
  await type('session | stats count by host');
  await finished();
  await at('view-table').click();
  await page.locator('[data-test="table"] th', { hasText: 'host' }).waitFor();
  await finished();
  await at('row').first().locator('button').first().click();
  await page.waitForURL((url) => /host=/.test(url.searchParams.get('q') ?? '') && !/stats/.test(url.searchParams.get('q') ?? ''));
  await at('event').first().waitFor();
});

test('live: an event is on screen when it has come in', async () => {
  await open('/live?q=needle');
  await page.waitForFunction(() => /Following/.test(document.querySelector('[data-test="live-line"]')?.textContent ?? ''));
  await ingest(server.url, ['one needle in the hay', 'no match'], { host: 'web-01', source: 'live-test' });
  await at('event').first().waitFor({ timeout: 5000 });
  assert.match(await at('event').first().textContent(), /one needle in the hay/);
  assert.equal(await at('event').count(), 1);
  await at('pause').click();
  await ingest(server.url, ['a second needle'], { host: 'web-01', source: 'live-test' });
  await page.waitForFunction(() => /1 waiting/.test(document.querySelector('[data-test="live-line"]')?.textContent ?? ''));
  assert.equal(await at('event').count(), 1);
  await at('pause').click();
  await at('event').nth(1).waitFor();
  assert.match(await at('event').first().textContent(), /second needle/);
  await shot('live');
});

test('what is in a log never becomes part of the page', async () => {
  const evil = `<img src=x onerror="document.title='taken'"> <script>document.title='taken'</script> hostile ${'x'.repeat(300_000)} end`;
  await ingest(server.url, [evil], { host: '<b>host</b>', source: 'hostile-test' });
  await open(query('/search', 'hostile'));
  await at('event').first().click();
  await at('detail').waitFor();
  assert.equal(await page.locator('main img, main script, main b').count(), 0);
  assert.notEqual(await page.title(), 'taken');
  await page.getByText('Cut here').waitFor();
  await at('detail').getByRole('button', { name: 'Show the whole' }).click();
  await page.waitForFunction(() => document.querySelector('[data-test="detail"] .text')?.textContent?.endsWith('end'));
});

test('nothing found says why and what to try', async () => {
  await open(query('/search', 'nosuchwordanywhere AND session'));
  await at('empty').waitFor();
  await shot('empty');
  await at('empty').getByRole('button', { name: 'Without nosuchwordanywhere' }).click();
  await at('event').first().waitFor();
  assert.equal(parameter('q'), 'session');
});

test('keys: query, events, palette, help', async () => {
  await open(query('/search', 'session'));
  await at('event').first().waitFor();
  await page.keyboard.press('ArrowDown');
  await page.keyboard.press('e');
  await at('detail').waitFor();
  await page.keyboard.press('/');
  assert.ok(await page.evaluate(() => document.activeElement?.classList.contains('cm-content')));
  await page.keyboard.press('Escape');
  await page.keyboard.press('Control+k');
  await page.keyboard.insertText('patterns');
  await shot('palette');
  await page.keyboard.press('Enter');
  await at('pattern').first().waitFor();
  await page.keyboard.press('?');
  await page.getByRole('dialog', { name: 'Help' }).waitFor();
  await page.keyboard.press('Escape');
  await page.keyboard.press('t');
  await page.getByRole('dialog', { name: 'Time range' }).waitFor();
  await shot('range');
  await page.getByRole('button', { name: 'All time', exact: true }).last().click();
});

test('completion knows the commands', async () => {
  await open('/search?from=all');
  await page.locator('.cm-content').click();
  await page.keyboard.type('session | sta', { delay: 20 });
  await page.locator('.cm-tooltip-autocomplete', { hasText: 'stats' }).waitFor();
  await shot('completion');
});

test('a long list scrolls to its end and reads on', async () => {
  await open(query('/search', '*'));
  await finished();
  const all = digits(await at('matched').textContent());
  assert.ok(all >= 6000);
  const rows = () => page.locator('[data-test="events"]').getAttribute('aria-rowcount').then(Number);
  for (let round = 0; round < 20 && (await rows()) < all; round += 1) {
    await page.evaluate(() => {
      const list = document.querySelector('[data-test="events"]');
      list.scrollTop = list.scrollHeight;
    });
    await page.waitForTimeout(300);
  }
  assert.ok((await rows()) >= 6000, `${await rows()} rows`);
  assert.ok((await at('event').count()) < 200, 'only what is on screen is drawn');
});

test('sources: what there is, and the way into it', async () => {
  await open('/sources');
  await at('sources').getByRole('button', { name: '/var/log/secure' }).first().waitFor();
  await shot('sources');
  await at('sources').getByRole('button', { name: '/var/log/secure' }).first().click();
  await at('event').first().waitFor();
});

test('dark and light', async () => {
  await open(query('/search', QUERY), { colorScheme: 'dark' });
  await at('event').first().waitFor();
  const ground = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const dark = await ground();
  await shot('dark');
  await at('theme').click();
  assert.notEqual(await ground(), dark);
  await page.reload();
  assert.notEqual(await ground(), dark, 'the choice stays');
});

test('a phone: cards, a sheet of fields, nothing to the side', async () => {
  for (const colorScheme of ['dark', 'light']) {
    await open(query('/search', QUERY), { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true, colorScheme });
    await at('event').first().waitFor();
    await finished();
    await shot(`phone-${colorScheme}`);
    const wide = () => page.evaluate(() => document.documentElement.scrollWidth);
    assert.ok((await wide()) <= 390, 'no scrolling to the side');
    await at('event').nth(1).tap();
    await at('detail').waitFor();
    assert.ok((await wide()) <= 390);
    await shot(`phone-event-${colorScheme}`);
    await at('open-fields').tap();
    await at('sheet').getByText('host', { exact: true }).first().waitFor();
    await shot(`phone-fields-${colorScheme}`);
    for (const view of ['/search?from=all&view=patterns', query('/search', 'session | stats count by host'), query('/search', 'session | timechart count by host'), '/live', '/sources']) {
      await page.goto(server.url + view);
      await page.waitForTimeout(400);
      assert.ok((await wide()) <= 390, `${view} is not wider than the screen`);
    }
    await shot(`phone-sources-${colorScheme}`);
    if (colorScheme === 'dark') await page.context().close();
  }
});
