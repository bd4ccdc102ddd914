// A flat store in S3: a real server, and one that fails.
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { once } from 'node:events';
import { createServer, request, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { reliable } from '../../src/pages/retry.js';
import { S3Source } from '../../src/pages/s3.js';
import { Skip } from '../support/skip.js';
import { withS3 } from './s3-server.js';
import { HASTY, mustFail, mustServe, RUNS, set, store } from './store.js';

const bucket = 'pages';
const AWS = {
  AWS_ACCESS_KEY_ID: 'test',
  AWS_SECRET_ACCESS_KEY: 'test',
  AWS_REGION: 'us-east-1',
  AWS_EC2_METADATA_DISABLED: 'true',
};

/** Runs `use` in an environment that names an endpoint. */
async function withEndpoint(url: string, use: () => Promise<void>): Promise<void> {
  const before = { ...process.env };
  Object.assign(process.env, AWS, { AWS_ENDPOINT_URL: url });
  try {
    await use();
  } finally {
    process.env = before;
  }
}

async function put(key: string, body: Uint8Array): Promise<void> {
  const client = new S3Client({ forcePathStyle: true });
  await client.send(new PutObjectCommand({ Bucket: bucket, Key: key, Body: body }));
  client.destroy();
}

const source = (name: string) => reliable(S3Source.parse(name), HASTY);

/** Passes requests on to the server, unless `fault` has dealt with them. */
async function withProxy(
  url: string,
  fault: (...args: Parameters<RequestListener>) => boolean,
  use: () => Promise<void>,
): Promise<void> {
  const { port } = new URL(url);
  const proxy = createServer((incoming, response) => {
    if (fault(incoming, response)) return;
    const { method, headers, url: path } = incoming;
    const outgoing = request({ host: '127.0.0.1', port, method, headers, path }, (answer) => {
      response.writeHead(answer.statusCode!, answer.headers);
      answer.pipe(response);
    });
    incoming.pipe(outgoing);
  }).listen(0, '127.0.0.1');
  await once(proxy, 'listening');
  try {
    const address = proxy.address() as AddressInfo;
    await withEndpoint(`http://127.0.0.1:${address.port}`, use);
  } finally {
    proxy.closeAllConnections();
    proxy.close();
  }
}

async function all(url: string): Promise<void> {
  await withEndpoint(url, async () => {
    const client = new S3Client({ forcePathStyle: true });
    await client.send(new CreateBucketCommand({ Bucket: bucket }));
    client.destroy();
    await put('some/store', store);
    await put('too/short', store.subarray(4096));
    await mustServe(source('pages/some/store'));
    await mustServe(source('//pages/some/store'));

    const short = source('pages/too/short').open!(set);
    await mustFail(
      short,
      'E_PAGE_SOURCE',
      /^s3:pages\/too\/short: it has \d+ bytes, .*not of this set$/,
    );
    const missing = source('pages/no/store').open!(set);
    await mustFail(missing, 'E_PAGE_SOURCE', /^s3:pages\/no\/store: NotFound.* \(404\)$/);
    const nowhere = source('nowhere/store').open!(set);
    await mustFail(nowhere, 'E_PAGE_SOURCE', /^s3:nowhere\/store: .*\(404\)$/);

    const replaced = source('pages/some/store');
    await replaced.open!(set);
    await put('some/store', Buffer.alloc(store.length, 1));
    const late = replaced.read(RUNS[0]!.run);
    await mustFail(late, 'E_PAGE_SOURCE', /it was replaced while it was being read$/);
    await replaced.close!();
    await put('some/store', store);
  });

  let left = 3;
  const faults: Parameters<typeof withProxy>[1][] = [
    (_, response) => left-- > 0 && response.writeHead(503).end() !== undefined,
    (incoming) => left-- > 0 && incoming.socket.destroy() !== undefined,
    () => left-- > 0, // silence
  ];
  for (const fault of faults) {
    left = 2;
    await withProxy(url, fault, () => mustServe(source('pages/some/store')));
    await withProxy(
      url,
      (...args) => ((left = 1), fault(...args)),
      async () => {
        const failed = source('pages/some/store').open!(set);
        await mustFail(failed, 'E_PAGE_SOURCE', /^s3:pages\/some\/store: gave up after 3 tries: ./);
      },
    );
  }
}

test('a flat store in S3', async () => {
  try {
    await withS3(all);
  } catch (error) {
    if (!(error instanceof Skip)) throw error;
    console.log(`SKIP a flat store in S3: ${error.message}`);
  }
});

test('no credentials, no region: an error at once', async () => {
  const before = { ...process.env };
  process.env = {
    ...Object.fromEntries(Object.entries(before).filter(([name]) => !name.startsWith('AWS_'))),
    ...{ AWS_EC2_METADATA_DISABLED: 'true', HOME: '/no/such/home' },
  };
  try {
    await mustFail(source('a/b').open!(set), 'E_PAGE_SOURCE', /^s3:a\/b: Region is missing$/);
    process.env.AWS_REGION = 'us-east-1';
    await mustFail(
      source('a/b').open!(set),
      'E_PAGE_SOURCE',
      /^s3:a\/b: Could not load credentials/,
    );
  } finally {
    process.env = before;
  }
});

test('what is not of the form is a usage error', () => {
  for (const name of ['', 'bucket', 'bucket/', '/key']) {
    assert.throws(() => S3Source.parse(name), /is not of the form s3:BUCKET\/KEY/, name);
  }
});

test.run();
