// Connections with clients outside the tree: a dump, be it killed, and a restore are nothing to them.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dump, mustDump } from '../support/dump.js';
import { EchoClient } from '../support/echo.js';
import { ckptMain } from '../support/paths.js';
import { descendants, procText } from '../support/proc.js';
import { restore } from '../support/restore.js';
import { orSkip } from '../support/skip.js';
import { Target } from '../support/target.js';
import { withTemp } from '../support/temp.js';
import { until } from '../support/until.js';
import { networkTables } from '../support/tables.js';

const args = ['--tcp-established'];
const CLIENTS = 3;

interface Scene {
  server: Target;
  clients: EchoClient[];
  dir: string;
  goOn(): Promise<unknown>;
}

function testScene(name: string, act: (scene: Scene) => Promise<void>, version = '4'): void {
  const body = async (dir: string) => {
    const server = await Target.start('tcpecho', join(dir, 'state'), [version]);
    const clients: EchoClient[] = [];
    try {
      const host = version === '6' ? '::1' : '127.0.0.1';
      while (clients.length < CLIENTS) clients.push(await EchoClient.to(server, host));
      const goOn = () => Promise.all(clients.map((client) => client.goesOn()));
      await goOn();
      await act({ server, clients, dir, goOn });
    } finally {
      for (const client of clients) client.end();
      await server.end();
    }
  };
  test(name, () => orSkip(name, () => withTemp(body)));
}

async function replace({ server, dir, goOn }: Scene): Promise<void> {
  const images = join(dir, 'images');
  const before = await networkTables();
  await mustDump('ckpt', server.pid, images, { args });
  await server.gone();
  assert.is((await networkTables()).length, before.length + 1, 'tables while nobody is there');
  await new Promise((resolve) => setTimeout(resolve, 300));
  const copy = await restore(images, server, { args });
  try {
    assert.equal(await networkTables(), before);
    await goOn();
    await copy.ask();
  } finally {
    await copy.end();
  }
}

testScene('clients do not notice a dump and a restore', replace);
testScene('clients do not notice a dump and a restore, IPv6', replace, '6');

testScene('clients do not notice dumps of a server that runs on', async ({ server, dir, goOn }) => {
  for (let i = 0; i < 50; i++) {
    await mustDump('ckpt', server.pid, join(dir, `${i}`), { args, leaveRunning: true });
    if (i % 10 === 0) await goOn();
  }
  await goOn();
  await server.ask();
});

const isOurs = (command: string): boolean => /^\S*ckpt-helper|exe\0repair/.test(command);

/** Who may be killed: ckpt itself, its helper, the helper's repairer; as far as they have been started. */
function partsOf(ckpt: number): number[] {
  const helpers = descendants(ckpt).filter((pid) => isOurs(procText(`/proc/${pid}/cmdline`)));
  return [ckpt, ...helpers];
}
const PARTS = 3;

/** A dump that is killed at a moment of its own: a script keeps it from ever coming to its end. */
async function killedDump(pid: number, images: string, moment: number, part: number) {
  const words = ['dump', '-t', `${pid}`, '-D', images, ...args, '--action-script', `${images}.sh`];
  // Without its repairer a dump may well succeed, and the tree is to run on.
  if (part === PARTS - 1) words.push('-R');
  await mkdir(images);
  await writeFile(
    `${images}.sh`,
    '#!/bin/sh\n[ "$CRTOOLS_SCRIPT_ACTION" = pre-dump ] || sleep 1\n',
    {
      mode: 0o700,
    },
  );
  const ckpt = spawn(process.execPath, [ckptMain, ...words], { stdio: 'ignore' });
  const ended = once(ckpt, 'exit');
  const parts = await until('it has begun', () => {
    const found = partsOf(ckpt.pid!);
    return found.length > Math.max(part, 1) ? found : undefined;
  });
  await new Promise((resolve) => setTimeout(resolve, moment));
  process.kill(parts[part]!, 'SIGKILL');
  await ended;
}

testScene('clients do not notice dumps that are killed', async ({ server, dir, goOn }) => {
  const before = await networkTables();
  for (let i = 0; i < 30; i++) {
    await killedDump(server.pid, join(dir, `${i}`), (i * 37) % 100, i % PARTS);
    await goOn();
  }
  assert.equal(await networkTables(), before);
  await server.ask();
});

testScene('what comes in where nothing is locked is not lost', async ({ server, dir, goOn }) => {
  const script = join(dir, 'script');
  const mark = join(dir, 'mark');
  const lines = [
    `#!/bin/sh`,
    `[ "$CRTOOLS_SCRIPT_ACTION" = pre-dump ] && exit`,
    `>${mark}`,
    `sleep 1`,
  ];
  await writeFile(script, lines.join('\n'), { mode: 0o700 });
  const idle = connect(Number(await readFile(join(server.state, 'port'), 'utf8')), '127.0.0.1');
  await once(idle, 'connect');
  idle.write('x');
  await once(idle, 'data');
  const options = [...args, '--network-lock', 'skip', '--action-script', script];
  const dumping = dump('ckpt', server.pid, join(dir, 'images'), { args: options });
  await until('the set is complete', () => existsSync(mark));
  idle.write('late');
  const echoed = once(idle, 'data') as Promise<[Buffer]>;
  const { code, output } = await dumping;
  assert.is(code, 1);
  assert.match(output, /fd \d+ -> socket:\[\d+\]: \d+ bytes came in.*--network-lock/);
  assert.is(`${(await echoed)[0]}`, 'late');
  idle.destroy();
  await goOn();
});

testScene('connections are refused by name, unless asked for', async ({ server, dir, goOn }) => {
  const { code, output } = await dump('ckpt', server.pid, join(dir, 'images'));
  assert.is(code, 1);
  assert.match(
    output,
    new RegExp(`pid ${server.pid}: fd \\d+ -> socket:\\[\\d+\\]: an established`),
  );
  assert.match(output, /127\.0\.0\.1:\d+ to 127\.0\.0\.1:\d+.*--tcp-established.*--tcp-close/);
  await goOn();
});

testScene('connections are restored as closed', async ({ server, dir }) => {
  const images = join(dir, 'images');
  const closed = ['--tcp-close'];
  await mustDump('ckpt', server.pid, images, { args: closed });
  await server.gone();
  const copy = await restore(images, server, { args: closed });
  try {
    const client = await EchoClient.to(server);
    await client
      .goesOn()
      .then(() => copy.ask())
      .finally(() => client.end());
  } finally {
    await copy.end();
  }
});

testScene('a connection that waits to be accepted', async ({ server, dir, goOn }) => {
  process.kill(server.pid, 'SIGSTOP');
  const late = await EchoClient.to(server);
  try {
    const refused = await dump('ckpt', server.pid, join(dir, 'refused'), { args });
    assert.is(refused.code, 1);
    assert.match(refused.output, /1 connections wait to be accepted.*--skip-in-flight/);
    const skipping = { args: [...args, '--skip-in-flight'], leaveRunning: true };
    await mustDump('ckpt', server.pid, join(dir, 'images'), skipping);
    process.kill(server.pid, 'SIGCONT');
    await late.goesOn();
    await goOn();
  } finally {
    late.end();
  }
});

test.run();
