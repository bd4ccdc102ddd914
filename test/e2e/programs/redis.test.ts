// Redis: its clients come back to the same data; one that is still connected is a reason to refuse,
// and no harm to either.
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { dump } from '../../support/dump.js';
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

const name = 'redis-server with a connected client is refused';
test(name, () =>
  orSkip(name, () =>
    withTemp(async (dir) => {
      const redis = await Redis.make();
      const target = await Target.start(redis, join(dir, 'state'));
      try {
        await refuseConnected(target, redis.port, dir);
      } finally {
        await target.end();
      }
    }),
  ),
);

test.run();
