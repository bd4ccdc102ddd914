import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import { HelperClient } from '../../src/helper/client.js';
import type { DumpRequest } from '../../src/helper/protocol.js';
import { fakePeer, hello, type FakePeer } from './fake-peer.js';

const request: DumpRequest = {
  op: 'dump',
  tree: 7,
  images_dir: '/images',
  after: 'kill',
  copy: 'all',
  pages_name: 'pages-{}.img',
  ghost_limit: 0,
  timeout_ms: 0,
};

async function connected(): Promise<[HelperClient, FakePeer]> {
  const peer = fakePeer();
  await peer.say(hello);
  const client = new HelperClient(peer);
  assert.equal(await client.greet(), hello);
  return [client, peer];
}

async function failure(promise: Promise<unknown>): Promise<CkptError> {
  try {
    await promise;
  } catch (error) {
    assert.instance(error, CkptError, String(error));
    return error as CkptError;
  }
  throw new Error('it succeeded');
}

async function collect<T>(source: Promise<AsyncIterable<T>>): Promise<T[]> {
  const all = [];
  for await (const item of await source) all.push(item);
  return all;
}

test('a dump: hello, request, frames up to captured, finish, done', async () => {
  const [client, peer] = await connected();
  assert.equal((await peer.requests.next()).value, { op: 'hello', version: 1 });
  const frames = [
    { t: 'progress', phase: 'copy', done: 1, total: 2 },
    { t: 'task', pid: 7 },
    { t: 'captured', tasks: 1 },
  ];
  for (const frame of frames) await peer.say(frame);
  assert.equal(await collect(client.dump(request)), frames as never);
  assert.equal((await peer.requests.next()).value, request);
  await peer.say({ t: 'done', times_us: { frozen: 5 } });
  assert.equal(await client.finish('kill'), { t: 'done', times_us: { frozen: 5 } });
  assert.equal((await peer.requests.next()).value, { op: 'finish', action: 'kill' });
});

test('versions that differ are both named', async () => {
  const peer = fakePeer();
  await peer.say({ ...hello, version: 9, helper: '8.7.6' });
  const { code, message } = await failure(new HelperClient(peer).greet());
  assert.is(code, 'E_PROTOCOL');
  assert.match(message, /version 1 .* 8\.7\.6 speaks version 9/);
});

test('an error frame becomes the error, details and all', async () => {
  const [client, peer] = await connected();
  await peer.say({ t: 'task', pid: 7 });
  const object = 'fd 7 -> socket:[123]';
  await peer.say({ t: 'error', code: 'E_NO_SPACE', message: 'm', pid: 7, object, errno: 28 });
  const error = await failure(collect(client.dump(request)));
  assert.is(error.code, 'E_NO_SPACE');
  assert.is(error.message, 'm');
  const { remedy, ...details } = error.details;
  assert.equal(details, { pid: 7, object, errno: 'ENOSPC' });
});

test('a peer that dies fails every wait, with its last words', async () => {
  const deaths: ((client: HelperClient) => Promise<unknown>)[] = [
    (client) => collect(client.dump(request)),
    (client) => client.check(),
    (client) => client.finish('kill'),
  ];
  for (const wait of deaths) {
    const [client, peer] = await connected();
    const failing = failure(wait(client));
    peer.die('exit status 101: thread main panicked');
    const { code, message } = await failing;
    assert.is(code, 'E_HELPER_DIED');
    assert.match(message, 'exit status 101: thread main panicked');
  }
});

test('a peer that died before it was spoken to is no different', async () => {
  const peer = fakePeer();
  peer.stdin.destroy(new Error('EPIPE'));
  peer.stdin.on('error', () => {});
  peer.die('it cannot be started: ENOEXEC');
  assert.match((await failure(new HelperClient(peer).greet())).message, 'ENOEXEC');
});

test('a stream that breaks off inside a frame blames the protocol', async () => {
  const [client, peer] = await connected();
  peer.out.write(Buffer.from([9, 0, 0, 0, 1]));
  peer.die('exit status 0');
  assert.is((await failure(client.check())).code, 'E_PROTOCOL');
});

test('frames out of place, or of no known kind, are refused', async () => {
  for (const t of ['done', 'check', 'hello', 'surprise', undefined]) {
    const [client, peer] = await connected();
    await peer.say({ t });
    const { code, message } = await failure(collect(client.dump(request)));
    assert.is(code, 'E_PROTOCOL');
    assert.match(message, String(t));
  }
});

test('close ends stdin and waits for the peer to leave', async () => {
  const [client, peer] = await connected();
  await peer.requests.next();
  const closing = client.close();
  assert.is((await peer.requests.next()).done, true);
  peer.die('exit status 0');
  await closing;
  assert.is(peer.killed, false);
});

test.run();
