// Page programs: one that serves a store, and those that die, fall silent, or speak something else.
import { chmodSync, copyFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ExecSource } from '../../src/pages/exec.js';
import { checkout } from '../support/paths.js';
import { descendants } from '../support/proc.js';
import { withTemp } from '../support/temp.js';
import { mustFail, mustServe, RUNS, set, store } from './store.js';

const program = join(checkout, 'test/pages/pages-program.py');

/** A program written in Python, after the lines that all of them need. */
function python(body: string, silenceMs = 10_000): ExecSource {
  const begin = `
import json, os, signal, struct, sys, time
def request():
    size = sys.stdin.buffer.read(4)
    return json.loads(sys.stdin.buffer.read(struct.unpack("<I", size)[0])) if size else sys.exit(0)
def send(header, data=b""):
    header = header if type(header) is bytes else json.dumps(header).encode()
    sys.stdout.buffer.write(struct.pack("<I", len(header)) + header + data)
    sys.stdout.buffer.flush()
`;
  return new ExecSource('exec:test', ['python3', '-c', begin + body], silenceMs);
}

test('the example serves a flat store', () =>
  withTemp(async (dir) => {
    writeFileSync(join(dir, 'store'), store);
    await mustServe(ExecSource.parse(`python3 ${program} ${join(dir, 'store')}`));
    assert.equal(descendants(process.pid), [], 'programs are left');
  }));

test('words are split at spaces without a shell', () =>
  withTemp(async (dir) => {
    const folder = join(dir, "it's $HOME");
    mkdirSync(folder);
    copyFileSync(program, join(folder, 'a program'));
    chmodSync(join(folder, 'a program'), 0o700);
    writeFileSync(join(folder, 'store'), store);
    const escaped = folder.replaceAll(' ', '\\ ');
    await mustServe(ExecSource.parse(`  ${escaped}/a\\ program   ${escaped}/store `));
  }));

test('replies may come in any order', () =>
  withTemp(async (dir) => {
    writeFileSync(join(dir, 'store'), store);
    const source = python(`
store = open(${JSON.stringify(join(dir, 'store'))}, "rb").read()
while True:
    for r in reversed([request(), request()]):
        send({"id": r["id"], "bytes": r["count"] * 4096}, store[r["at"] * 4096:][:r["count"] * 4096])
`);
    await source.open(set);
    const [a, b] = [RUNS[0]!, RUNS[4]!];
    const [x, y] = await Promise.all([source.read(a.run), source.read(b.run)]);
    assert.ok(store.subarray(a.at * 4096, (a.at + a.run.count) * 4096).equals(x!));
    assert.ok(store.subarray(b.at * 4096, (b.at + b.run.count) * 4096).equals(y!));
    await source.close();
  }));

test('a request says whose pages, which, how many, and where they lie in a flat store', async () => {
  const source = python(
    `send({"id": 1, "error": json.dumps(request(), sort_keys=True)}); request()`,
  );
  await source.open(set);
  const shmem = '"at": 1506, "count": 3, "id": 1, "op": "read", "page": 3, "shmem": "0x4d"';
  await mustFail(source.read(RUNS[4]!.run), 'E_PAGE_SOURCE', new RegExp(`^exec:test: {${shmem}}$`));
  await source.close();
});

test('pages that it does not have are an error of that read alone', () =>
  withTemp(async (dir) => {
    writeFileSync(join(dir, 'store'), store.subarray(0, 4 * 4096));
    const source = ExecSource.parse(`python3 ${program} ${join(dir, 'store')}`);
    await source.open(set);
    const failed = source.read(RUNS[1]!.run);
    await mustFail(failed, 'E_PAGE_SOURCE', /the store ends before them$/);
    assert.ok(store.subarray(0, 4096).equals(await source.read(RUNS[0]!.run)));
    await source.close();
  }));

const ends: Record<string, { body: string; message: RegExp; silenceMs?: number }> = {
  'it ends at once': { body: 'sys.exit(3)', message: /it has ended \(exit status 3\)$/ },
  'it ends with last words': {
    body: 'request(); sys.exit("no such bucket")',
    message: /it has ended \(exit status 1: no such bucket\)$/,
  },
  'it ends well, too early': { body: 'request()', message: /it has ended \(exit status 0\)$/ },
  'it is killed': {
    body: 'request(); os.kill(os.getpid(), signal.SIGKILL)',
    message: /it has ended \(killed by SIGKILL\)$/,
  },
  'it dies in the middle of a reply': {
    body: 'send({"id": request()["id"], "bytes": 4096}, b"x" * 100)',
    message: /it has ended|ended after 100 of 4096 bytes$/,
  },
  'it is silent': { body: 'time.sleep(60)', message: /no reply in 0.5 s$/, silenceMs: 500 },
  'it falls silent in the middle of a reply': {
    body: 'send({"id": request()["id"], "bytes": 4096}, b"x" * 100); time.sleep(60)',
    message: /no reply in 0.5 s$/,
    silenceMs: 500,
  },
  'it closes its stdout': {
    body: 'request(); os.close(1); time.sleep(60)',
    message: /no reply in 0.5 s$/,
    silenceMs: 500,
  },
  'it prints text': {
    body: 'print("hello, world"); sys.stdout.flush(); time.sleep(60)',
    message: /what it sends is no reply: a header of \d+ bytes$/,
  },
  'its header is no JSON': {
    body: 'request(); send(b"{]"); time.sleep(60)',
    message: /what it sends is no reply: .*JSON/,
  },
  'its header is a number': {
    body: 'request(); send(b"7"); time.sleep(60)',
    message: /what it sends is no reply: a header that is no JSON object$/,
  },
  'it answers what nobody asked': {
    body: 'request(); send({"id": 99, "bytes": 4096}); time.sleep(60)',
    message: /nothing was asked under the id 99$/,
  },
  'it sends another number of bytes': {
    body: 'send({"id": request()["id"], "bytes": 8192}, b"x" * 8192); time.sleep(60)',
    message: /8192 bytes where 4096 were asked for$/,
  },
};

for (const [name, { body, message, silenceMs }] of Object.entries(ends)) {
  test(`${name}: an error, now and later, and nothing is left of it`, async () => {
    const source = python(body, silenceMs);
    await source.open(set);
    await mustFail(source.read(RUNS[0]!.run), 'E_PAGE_SOURCE', message);
    await mustFail(source.read(RUNS[0]!.run), 'E_PAGE_SOURCE', message);
    await source.close();
    assert.equal(descendants(process.pid), []);
  });
}

test('a command that is not there', async () => {
  const source = ExecSource.parse('/no/such/program');
  await source.open(set);
  await mustFail(source.read(RUNS[0]!.run), 'E_PAGE_SOURCE', /it cannot be started: .*ENOENT/);
  await source.close();
});

test('one that does not end when its stdin does is killed', async () => {
  const source = python('time.sleep(60)');
  await source.open(set);
  await sleep(300);
  const start = performance.now();
  await source.close();
  assert.ok(performance.now() - start < 4000);
  assert.equal(descendants(process.pid), []);
});

test('no command is a usage error', () => {
  assert.throws(() => ExecSource.parse('  '), /is not of the form exec:COMMAND/);
});

test.run();
