// Redis: its clients come back to the same data; one that is still connected is a reason to refuse,
// and no harm to either, or with --tcp-established notices nothing.
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dump, mustDump } from '../../support/dump.js';
import { restore } from '../../support/restore.js';
import { orSkip } from '../../support/skip.js';
import { Target } from '../../support/target.js';
import { withTemp } from '../../support/temp.js';
import { testProgram } from './programs.js';
import { Redis } from './redis.js';

testProgram('redis-server', () => Redis.make(), { versions: ['4.2.1', '4.1.1'] });

async function refuseConnected(target: Target, port: number, dir: string): Promise<void> {
  const client = connect(port, '127.0.0.1');
  const answerTo = async (command: string): Promise<string> => {
    client.write(`${command}\r\n`);
    const [answer] = (await once(client, 'data')) as [Buffer];
    return answer.toString();
  };
  try {
    assert.is(await answerTo('SET state 1'), '+OK\r\n');
    const { code, output } = await dump('ckpt', target.pid, join(dir, 'images'));
    assert.is(code, 1);
    assert.match(output, new RegExp(`pid ${target.pid}: fd \\d+ -> socket:\\[\\d+\\]`));
    assert.match(output, '--tcp-established');
    assert.is(await answerTo('GET state'), '$1\r\n1\r\n');
  } finally {
    client.destroy();
  }
}

/** A client stays connected over a dump that kills the server, and finds all as it was. */
async function takeConnected(target: Target, port: number, dir: string): Promise<void> {
  const client = connect(port, '127.0.0.1');
  const answerTo = async (command: string): Promise<string> => {
    client.write(`${command}\r\n`);
    const [answer] = (await once(client, 'data')) as [Buffer];
    return answer.toString();
  };
  const args = ['--tcp-established'];
  try {
    assert.is(await answerTo('SET state 1'), '+OK\r\n');
    await mustDump('ckpt', target.pid, join(dir, 'images'), { args });
    await target.gone();
    const late = answerTo('GET state'); // sent while nobody is there
    const copy = await restore(join(dir, 'images'), target, { args });
    try {
      assert.is(await late, '$1\r\n1\r\n');
      assert.is(await answerTo('INCR state'), ':2\r\n');
    } finally {
      await copy.end();
    }
  } finally {
    client.destroy();
  }
}

function testConnected(name: string, act: typeof takeConnected): void {
  const body = async (dir: string) => {
    const redis = await Redis.make();
    const target = await Target.start(redis, join(dir, 'state'));
    try {
      await act(target, redis.port, dir);
    } finally {
      await target.end();
    }
  };
  test(name, () => orSkip(name, () => withTemp(body)));
}

testConnected('redis-server with a connected client is refused', refuseConnected);
testConnected('redis-server keeps a connected client with --tcp-established', takeConnected);

test.run();
