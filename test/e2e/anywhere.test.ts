// One process tree, dumped without its pages, comes back with every byte from wherever they are: the
// original, images, a flat store, page servers, HTTP, S3, a program.
//   usage: [CKPT_WIDE_MIB=1024] node dist/test/e2e/anywhere.test.js [SOURCE]...
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { CreateBucketCommand, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { ckpt } from '../cli/ckpt.js';
import { withCriuServer } from '../pages/criu.js';
import { withHttp } from '../pages/http-server.js';
import { withS3 } from '../pages/s3-server.js';
import { withPageServer } from '../pages/server/command.js';
import {
  dump,
  endsWell,
  prove,
  restoreLazily,
  type Scene,
  storeOf,
  withScene,
  withServer,
} from '../serve/server.js';
import { mustDump } from '../support/dump.js';
import { checkout } from '../support/paths.js';
import { orSkip } from '../support/skip.js';

const MIB = process.env.CKPT_WIDE_MIB ?? '32';
const names = process.argv.slice(2);

/** Fills in what no restore can take late, and has criu take the rest late, all from one source. */
async function comesBack(scene: Scene, images: string, from: string, env = {}): Promise<void> {
  const filled = await ckpt(['fill', '-D', images, '--only', 'eager', '--from', from], env);
  assert.is(filled.code, 0, filled.stderr);
  await comesLate(scene, images, from, env);
}

async function comesLate(scene: Scene, images: string, from: string, env = {}): Promise<void> {
  await withServer(
    images,
    ['--from', from],
    async (server) => {
      await prove(await restoreLazily(scene, images), scene.beats);
      const { sessions, lost } = await endsWell(server);
      assert.equal(lost, []);
      const late = sessions.reduce(
        (sum, { demanded, prefetched }) => sum + demanded + prefetched,
        0,
      );
      assert.ok(late >= Number(MIB) << 8, `${late} pages came late`);
    },
    env,
  );
}

/** A dump without any page, and a full one of the same stopped tree. */
function fromAnywhere(
  name: string,
  play: (scene: Scene, images: string, full: () => Promise<string>) => Promise<void>,
  skip = '--skip-pages',
): void {
  if (names.length > 0 && !names.includes(name)) return;
  test(name, () =>
    orSkip(name, () =>
      withScene(
        'wide',
        async (scene) => play(scene, await dump(scene, 'images', skip), () => dump(scene, 'full')),
        [MIB],
      ),
    ),
  );
}

fromAnywhere('process', (scene, images) =>
  comesBack(scene, images, `process:${scene.original.pid}`),
);
fromAnywhere('images', async (scene, images, full) =>
  comesBack(scene, images, `images:${await full()}`),
);
fromAnywhere('file', async (scene, images) =>
  comesBack(scene, images, `file:${await storeOf(scene, images)}`),
);
fromAnywhere('http', async (scene, images) =>
  withHttp(await storeOf(scene, images), (url) => comesBack(scene, images, url)),
);
fromAnywhere('exec', async (scene, images) => {
  const program = join(checkout, 'test/pages/pages-program.py');
  await comesBack(scene, images, `exec:python3 ${program} ${await storeOf(scene, images)}`);
});
fromAnywhere('s3', async (scene, images) => {
  const store = await storeOf(scene, images);
  await withS3(async (endpoint) => {
    const credentials = { accessKeyId: 'test', secretAccessKey: 'test' };
    const client = new S3Client({
      endpoint,
      credentials,
      region: 'us-east-1',
      forcePathStyle: true,
    });
    await client.send(new CreateBucketCommand({ Bucket: 'pages' }));
    const Body = await readFile(store);
    await client.send(new PutObjectCommand({ Bucket: 'pages', Key: 'store', Body }));
    client.destroy();
    await comesBack(scene, images, 's3:pages/store', {
      AWS_ENDPOINT_URL: endpoint,
      AWS_REGION: 'us-east-1',
      AWS_ACCESS_KEY_ID: 'test',
      AWS_SECRET_ACCESS_KEY: 'test',
    });
  });
});

// A page server gives only what a restore can take late: the rest is in the images.
fromAnywhere(
  "criu, ckpt's page server",
  async (scene, images, full) => {
    const server = ['-D', await full(), '--lazy-pages'];
    await withPageServer(server, (address) => comesLate(scene, images, `criu:${address}`));
  },
  '--skip-pages=lazy',
);
// CRIU's own has no page that its set does not list: of zeros neither, and so its set is CRIU's.
fromAnywhere(
  "criu, CRIU's page server",
  async (scene, images) => {
    const full = join(scene.dir, 'full');
    await mustDump('criu', scene.original.pid, full, { leaveRunning: true });
    await withCriuServer('4.2.1', full, (port) =>
      comesLate(scene, images, `criu:127.0.0.1:${port}`),
    );
  },
  '--skip-pages=lazy',
);

test.run();
