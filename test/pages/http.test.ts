// A flat store on HTTP servers: one that serves ranges, and all the ways in which others do not.
import { once } from 'node:events';
import {
  createServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { HttpSource } from '../../src/pages/http.js';
import { POLICY, type Policy, reliable } from '../../src/pages/retry.js';
import type { PageSource } from '../../src/pages/source.js';
import { HASTY, mustFail, mustServe, PAGE, RUNS, set, store } from './store.js';

/** Runs `use` with a server on loopback; gives its sockets' number too. */
async function withServer(
  listener: RequestListener,
  use: (source: PageSource, connections: () => number) => Promise<void>,
  policy?: Policy,
): Promise<void> {
  let connections = 0;
  const server = createServer({ keepAliveTimeout: 60_000 }, listener).on(
    'connection',
    () => connections++,
  );
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const source = HttpSource.parse(`http://127.0.0.1:${port}/store`);
  try {
    await use(reliable(source, policy ?? HASTY), () => connections);
  } finally {
    server.closeAllConnections();
    server.close();
  }
}

function rangeOf({ headers }: IncomingMessage): { first: number; last: number } {
  const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '') ?? [];
  return { first: Number(first), last: Number(last) };
}

function sendRange(request: IncomingMessage, response: ServerResponse, headers = {}): void {
  const { first, last } = rangeOf(request);
  const body = store.subarray(first, last + 1);
  response.writeHead(206, {
    'content-range': `bytes ${first}-${last}/${store.length}`,
    'content-length': body.length,
    etag: '"1"',
    ...headers,
  });
  response.end(body);
}

test('all runs, over a few connections that are kept', () =>
  withServer(
    sendRange,
    async (source, connections) => {
      await mustServe(source);
      assert.ok(connections() <= 5, `${connections()} connections`);
    },
    POLICY, // who tries again because of a busy machine makes a new one
  ));

test('at most a few requests at a time', async () => {
  let underWay = 0;
  let most = 0;
  const slow: RequestListener = (request, response) => {
    most = Math.max(most, ++underWay);
    response.once('finish', () => underWay--);
    setTimeout(() => sendRange(request, response), 5);
  };
  await withServer(slow, async (source) => {
    await source.open!(set);
    const { run } = RUNS[0]!;
    await Promise.all(Array.from({ length: 40 }, () => source.read(run)));
    assert.ok(most > 1 && most <= 4, `${most} at a time`);
  });
});

/** Answers the first few requests in another way. */
function atFirst(count: number, other: RequestListener): RequestListener {
  let seen = 0;
  return (request, response) => (seen++ < count ? other : sendRange)(request, response);
}

const faults: Record<string, RequestListener> = {
  'a 500': (_, response) => response.writeHead(500).end('down'),
  'a 503': (_, response) => response.writeHead(503).end(),
  'a 429': (_, response) => response.writeHead(429).end(),
  'a reset': (request) => request.socket.resetAndDestroy(),
  'an end before the answer': (request) => request.socket.destroy(),
  'an answer cut off': (request, response) => {
    const { first, last } = rangeOf(request);
    response.writeHead(206, {
      'content-range': `bytes ${first}-${last}/${store.length}`,
      'content-length': last - first + 1,
    });
    response.write(store.subarray(first, first + 100), () => response.destroy());
  },
  'an answer too short': (request, response) => {
    const { first, last } = rangeOf(request);
    response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${store.length}` });
    response.end(store.subarray(first, last));
  },
  'an answer too long': (request, response) => {
    const { first, last } = rangeOf(request);
    response.writeHead(206, { 'content-range': `bytes ${first}-${last}/${store.length}` });
    response.end(store.subarray(first, last + 2 * PAGE));
  },
  silence: () => {},
  'silence in the middle': (request, response) => {
    const { first, last } = rangeOf(request);
    response.writeHead(206, {
      'content-range': `bytes ${first}-${last}/${store.length}`,
      'content-length': last - first + 1,
    });
    response.write(store.subarray(first, first + 100));
  },
};

for (const [name, fault] of Object.entries(faults)) {
  test(`${name}, twice, passes`, () => withServer(atFirst(2, fault), mustServe));

  test(`${name}, for ever, is an error`, () =>
    withServer(fault, async (source) => {
      const failed = source.open!(set);
      await mustFail(failed, 'E_PAGE_SOURCE', /^http:.*\/store: gave up after 3 tries: .+/);
    }));
}

/** What no second try makes better. */
const refusals: Record<string, { answer: RequestListener; message: RegExp }> = {
  'no ranges': {
    answer: (_, response) => response.writeHead(200, { 'accept-ranges': 'none' }).end(store),
    message: /the server does not give ranges of it$/,
  },
  'not there': {
    answer: (_, response) => response.writeHead(404).end('no such file'),
    message: /the server answers 404$/,
  },
  'no range of that': {
    answer: (_, response) => response.writeHead(416, { 'content-range': 'bytes */7' }).end(),
    message: /the server answers 416$/,
  },
  'another range': {
    answer: (request, response) =>
      sendRange(request, response, { 'content-range': `bytes 1-4096/${store.length}` }),
    message: /the server gives bytes 1-4096 where it was asked for 0-4095$/,
  },
  'no word of the range': {
    answer: (request, response) => {
      const { first, last } = rangeOf(request);
      response.writeHead(206).end(store.subarray(first, last + 1));
    },
    message: /the server does not say which bytes it gives$/,
  },
  'another size': {
    answer: (request, response) =>
      sendRange(request, response, { 'content-range': 'bytes 0-4095/4097' }),
    message: /it has 4097 bytes, and the pages of \/no\/such\/set are \d+: not of this set$/,
  },
};

for (const [name, { answer, message }] of Object.entries(refusals)) {
  test(`${name}: refused at once`, async () => {
    let asked = 0;
    const counting: RequestListener = (...args) => (asked++, answer(...args));
    await withServer(counting, (source) =>
      mustFail(source.open!(set), 'E_PAGE_SOURCE', message).then(() => {}),
    );
    assert.is(asked, 1);
  });
}

test('a file that is replaced while it is read', async () => {
  let version = 0;
  const changing: RequestListener = (request, response) =>
    sendRange(request, response, { etag: `"${version++}"` });
  await withServer(changing, async (source) => {
    await source.open!(set);
    const failed = source.read(RUNS[0]!.run);
    await mustFail(failed, 'E_PAGE_SOURCE', /it was replaced while it was being read$/);
  });
});

test('pages that the set does not list are not asked for', () =>
  withServer(sendRange, async (source) => {
    await source.open!(set);
    const run = { owner: { pid: 100 }, page: 0x404, count: 2 };
    const message =
      /no pages 0x404000-0x406000 of process 100: \/no\/such\/set does not list them$/;
    await mustFail(source.read(run), 'E_PAGE_SOURCE', message);
    await mustFail(source.read({ ...run, owner: { pid: 5 } }), 'E_PAGE_SOURCE', /process 5/);
  }));

test('an abort ends a read that waits', () =>
  withServer(atFirst(0, sendRange), async (source) => {
    await source.open!(set);
    const controller = new AbortController();
    const read = source.read(RUNS[2]!.run, controller.signal);
    controller.abort();
    await mustFail(read, 'E_ABORTED', /reading pages was aborted$/);
  }));

test('what is no URL, or holds a password, is a usage error', () => {
  for (const url of ['http:', 'http://', 'http://user:secret@host/store']) {
    assert.throws(() => HttpSource.parse(url), /is not of the form/, url);
  }
});

test.run();
