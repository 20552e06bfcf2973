// A server to drive the page on: the one at TAFFRAIL_URL, or TAFFRAIL_BIN on a folder of its own with generated logs.
import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const HOSTS = ['web-01', 'web-02', 'db-032', 'app-07'];
const USERS = ['root', 'alice', 'bob', 'postgres'];
const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const two = (value) => String(value).padStart(2, '0');

/** The same numbers in every run. */
function numbers(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 4294967296) * below);
  };
}

/** Lines of a syslog, the newest a minute ago. */
export function syslogLines(count) {
  const next = numbers(1);
  const lines = [];
  for (let at = count; at > 0; at -= 1) {
    const time = new Date(Date.now() - 60_000 - at * 20_000);
    const stamp = `${time.toISOString().slice(0, 19)}Z`;
    const host = HOSTS[next(HOSTS.length)];
    const user = USERS[next(USERS.length)];
    const pid = 1000 + next(30_000);
    const text = [
      `sshd[${pid}]: pam_unix(sshd:session): session opened for user ${user} by (uid=${next(1000)})`,
      `sshd[${pid}]: Failed password for ${user} from 10.0.${next(4)}.${next(250)} port ${20_000 + next(9000)} ssh2`,
      `CRON[${pid}]: (root) CMD (run-parts /etc/cron.hourly)`,
    ][next(3)];
    lines.push(`<38>1 ${stamp} ${host} ${text.split('[')[0]} ${pid} - - ${text.slice(text.indexOf(': ') + 2)}`);
  }
  return lines;
}

/** Lines of a web server's access log. */
export function accessLines(count) {
  const next = numbers(2);
  const lines = [];
  for (let at = count; at > 0; at -= 1) {
    const time = new Date(Date.now() - 60_000 - at * 15_000);
    const stamp = `${two(time.getUTCDate())}/${MONTHS[time.getUTCMonth()]}/${time.getUTCFullYear()}:${time.toISOString().slice(11, 19)} +0000`;
    const status = [200, 200, 200, 200, 304, 404, 503][next(7)];
    lines.push(`10.1.${next(3)}.${next(200)} - - [${stamp}] "GET /${['', 'login', 'api/orders', 'static/app.js'][next(4)]} HTTP/1.1" ${status} ${next(90_000)} "-" "Mozilla/5.0 (X11; Linux x86_64)"`);
  }
  return lines;
}

/** Sends lines to the server; they are durable and searchable when this returns. */
export async function ingest(url, lines, parameters) {
  const response = await fetch(`${url}/api/v1/ingest/raw?${new URLSearchParams(parameters)}`, { method: 'POST', headers: { 'content-type': 'text/plain' }, body: `${lines.join('\n')}\n` });
  if (!response.ok) throw new Error(`ingest: ${response.status} ${await response.text()}`);
  return response.json();
}

function freePort() {
  return new Promise((resolve, reject) => {
    const server = createServer();
    server.once('error', reject);
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

async function answers(url, child) {
  const until = Date.now() + 60_000;
  while (Date.now() < until) {
    if (child.exitCode !== null) throw new Error(`the server ended with ${child.exitCode}`);
    try {
      if ((await fetch(`${url}/api/v1/health`)).ok) return;
    } catch {
      // Not yet.
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error('the server does not answer');
}

/** The server to test on, with data in it, and the way to stop it. */
export async function startServer() {
  const given = process.env.TAFFRAIL_URL;
  if (given) {
    const url = given.replace(/\/+$/, '');
    await fill(url);
    return { url, stop: async () => {} };
  }
  const program = process.env.TAFFRAIL_BIN;
  if (!program) throw new Error('set TAFFRAIL_URL to a running server, or TAFFRAIL_BIN to the taffrail program');
  const data = await mkdtemp(join(tmpdir(), 'taffrail-page-'));
  const port = await freePort();
  const [udp, tcp] = [await freePort(), await freePort()];
  const url = `http://127.0.0.1:${port}`;
  const child = spawn(program, ['serve', '--data', data, '--http', `127.0.0.1:${port}`, '--syslog-udp', `127.0.0.1:${udp}`, '--syslog-tcp', `127.0.0.1:${tcp}`], { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (chunk) => (said = (said + chunk).slice(-4000)));
  const stop = async () => {
    if (child.exitCode === null) {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGTERM');
      const timer = setTimeout(() => child.kill('SIGKILL'), 15_000);
      await ended;
      clearTimeout(timer);
    }
    await rm(data, { recursive: true, force: true });
  };
  try {
    await answers(url, child);
    await fill(url);
  } catch (error) {
    await stop();
    throw new Error(`${error.message}\n${said}`);
  }
  return { url, stop };
}

async function fill(url) {
  await ingest(url, syslogLines(3000), { index: 'main', source: '/var/log/secure', sourcetype: 'syslog' });
  await ingest(url, accessLines(3000), { index: 'main', host: 'web-01', source: '/var/log/nginx/access.log' });
}
