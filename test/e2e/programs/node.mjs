// A service as people write them in Node: an HTTP server, timers, a thread with shared memory, a
// child, code that V8 has compiled, and memory that it manages. Asked as fixtures are.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { createServer } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { createDeflate, inflateSync } from 'node:zlib';

const state = process.argv[2];
const path = (name) => `${state}/${name}`;

let beats = 0;
const beating = setInterval(() => beats++, 5);

const table = new Map(Array.from({ length: 100_000 }, (_, n) => [`key ${n}`, { n, text: `${n}` }]));
const blocks = Array.from({ length: 16 }, (_, n) => Buffer.alloc(1 << 20, `block ${n}`));
const sum = (buffers) =>
  buffers.reduce((hash, b) => hash.update(b), createHash('sha256')).digest('hex');
const blockSum = sum(blocks);

/** Called often enough to be compiled. */
function fibonacci(n) {
  return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2);
}
fibonacci(27);

const shared = new Int32Array(new SharedArrayBuffer(8));
new Worker(
  `const { workerData } = require('node:worker_threads');
   const next = () => { Atomics.add(workerData, 0, 1); setTimeout(next, 2); };
   next();`,
  { eval: true, workerData: shared },
);

const child = spawn('sed', ['-u', 's/$/ and back/'], { stdio: ['pipe', 'pipe', 'inherit'] });
const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();

const log = await open(path('log'), 'a+');
let written = 0;

const deflate = createDeflate();
const deflated = [];
deflate.on('data', (chunk) => deflated.push(chunk));
let plain = '';

const server = createServer((request, response) => {
  response.setHeader('connection', 'close');
  response.end(JSON.stringify({ url: request.url, beats, pid: process.pid }));
});
await new Promise((listening) => server.listen(0, '127.0.0.1', listening));
const { port } = server.address();

const deadline = performance.now() + 3_600_000;
const late = setTimeout(() => process.exit(9), 3_600_000);

async function moves(what, value) {
  const before = value();
  for (let i = 0; i < 500; i++) {
    if (value() > before) return [];
    await sleep(5);
  }
  return [`${what} stands still at ${before}`];
}

async function checkServer() {
  const answer = await (await fetch(`http://127.0.0.1:${port}/hello`)).json();
  return answer.url === '/hello' && answer.pid === process.pid ? [] : ['the server is wrong'];
}

async function checkFiles() {
  await log.appendFile(`line ${written++}\n`);
  const text = Buffer.alloc(1 << 16);
  const { bytesRead } = await log.read(text, 0, text.length, 0);
  return text.toString('utf8', 0, bytesRead).split('\n').length === written + 1
    ? []
    : ['the log is wrong'];
}

async function checkStream() {
  plain += `piece ${plain.length}\n`;
  deflate.write(plain);
  await new Promise((flushed) => deflate.flush(flushed));
  const whole = inflateSync(Buffer.concat(deflated), { finishFlush: 2 }).toString();
  return whole.endsWith(plain) ? [] : ['the compressed stream is wrong'];
}

function checkMemory() {
  const faults = sum(blocks) === blockSum ? [] : ['the blocks are wrong'];
  for (let n = 0; n < table.size; n++) {
    if (table.get(`key ${n}`).text !== `${n}`) return [...faults, `key ${n} is wrong`];
  }
  globalThis.garbage = Array.from({ length: 100_000 }, (_, n) => ({ n }));
  return fibonacci(20) === 6765 ? faults : [...faults, 'compiled code is wrong'];
}

async function check() {
  child.stdin.write('there\n');
  const { value } = await lines.next();
  return [
    ...(value === 'there and back' ? [] : [`the child says ${value}`]),
    ...(await checkServer()),
    ...(await checkFiles()),
    ...(await checkStream()),
    ...checkMemory(),
    ...(await moves('an interval', () => beats)),
    ...(await moves('the thread', () => Atomics.load(shared, 0))),
    ...(late.hasRef() && beating.hasRef() && performance.now() < deadline
      ? []
      : ['the clock is wrong']),
  ];
}

function publish(name, text) {
  writeFileSync(path(`${name}.draft`), text);
  renameSync(path(`${name}.draft`), path(name));
}

publish('port', `${port}`);
publish('ready', 'ready\n');
for (let round = 1; ; await sleep(5)) {
  if (!existsSync(path(`check.${round}`))) continue;
  const faults = await check().catch((error) => [String(error)]);
  publish(`result.${round++}`, faults.length > 0 ? `FAIL\n${faults.join('\n')}` : `ok ${beats}\n`);
}
