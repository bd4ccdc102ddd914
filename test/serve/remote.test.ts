// Pages that only we can get, by way of the helper's questions: several at a time, and some that fail.
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { CkptError } from '../../src/errors.js';
import type { PageRun, PageSource } from '../../src/pages/source.js';
import { parseSource } from '../../src/pages/open.js';
import type { ServeOptions, ServeResult } from '../../src/serve/options.js';
import { serve } from '../../src/serve/serve.js';
import { orSkip } from '../support/skip.js';
import { dump, prove, restoreLazily, withScene } from './server.js';

/** Another source seen from afar: each answer takes its time, and `spoil` may throw. */
class Afar implements PageSource {
  readonly name = 'afar';
  readonly #near: PageSource;
  reads = 0;
  most = 0;
  #now = 0;

  constructor(
    dir: string,
    private readonly spoil: (run: PageRun) => void = () => {},
  ) {
    this.#near = parseSource(`images:${dir}`);
  }

  open(...args: Parameters<NonNullable<PageSource['open']>>): Promise<void> {
    return this.#near.open!(...args);
  }

  async read(run: PageRun): Promise<Uint8Array> {
    this.reads++;
    this.most = Math.max(this.most, ++this.#now);
    try {
      await sleep(5);
      this.spoil(run);
      return await this.#near.read(run);
    } finally {
      this.#now--;
    }
  }

  close(): Promise<void> {
    return this.#near.close!();
  }
}

/** Serves in this process while `use` runs; the result. */
async function served(options: ServeOptions, use: () => Promise<void>): Promise<ServeResult> {
  const stop = new AbortController();
  let result: Promise<ServeResult>;
  await new Promise<void>((resolve, reject) => {
    result = serve({ ...options, signal: stop.signal, onListening: () => resolve() });
    result.catch(reject);
  });
  try {
    await use();
  } finally {
    stop.abort();
  }
  return result!;
}

test('a source that the helper cannot read itself has several questions under way', () =>
  orSkip('remote', () =>
    withScene(
      'lively',
      async (scene) => {
        const imagesDir = await dump(scene, 'full');
        const from = new Afar(imagesDir);
        const { lost, sessions } = await served({ imagesDir, from }, async () =>
          prove(await restoreLazily(scene, imagesDir), scene.beats, 6),
        );
        assert.equal([lost, sessions.length], [[], 1]);
        assert.ok(from.most > 1, `${from.most} at a time`);
      },
      ['4096'],
    ),
  ));

test('what fails and passes is not noticed; what fails for good kills who needs it', () =>
  orSkip('remote, failing', () =>
    withScene('anonymous', async (scene) => {
      const imagesDir = await dump(scene, 'full');
      let failures = 0;
      const fickle = new Afar(imagesDir, () => {
        if (failures++ % 3 === 0) throw new Error('connection reset');
      });
      const first = await served({ imagesDir, from: fickle }, async () =>
        prove(await restoreLazily(scene, imagesDir, 'a'), scene.beats),
      );
      assert.equal(first.lost, []);
      assert.ok(failures > 1);

      let isGone = false;
      const gone = new Afar(imagesDir, () => {
        if (isGone) throw new CkptError('E_PAGE_SOURCE', 'afar: it is gone');
      });
      const { lost } = await served({ imagesDir, from: gone, prefetch: 'none' }, async () => {
        const copy = await restoreLazily(scene, imagesDir, 'b');
        isGone = true;
        const fault = await copy.ask().catch((error: Error) => error);
        await copy.end();
        assert.instance(fault, Error);
      });
      assert.is(lost[0]?.reason, 'afar: it is gone');
    }),
  ));

test('nobody but the owner can connect', () =>
  orSkip('a stranger', () =>
    withScene('anonymous', async (scene) => {
      const { chmod } = await import('node:fs/promises');
      const { execa } = await import('execa');
      const imagesDir = await dump(scene, 'full');
      const socket = join(imagesDir, 'lazy-pages.socket');
      const script = `require('net').connect(process.argv[1]).on('error', (e) => {
        console.log(e.code); process.exit() }).on('close', () => { console.log('closed') })`;
      const stranger = async () => {
        const options = { uid: 65534, gid: 65534, cwd: '/' };
        return (await execa(process.execPath, ['-e', script, socket], options)).stdout;
      };
      const said: string[] = [];
      const onLog = (line: string) => said.push(line);
      await served({ imagesDir, onLog }, async () => {
        assert.is(await stranger(), 'EACCES');
        await chmod(socket, 0o666); // were it open to all, the server looks who it is
        assert.is(await stranger(), 'closed');
        await prove(await restoreLazily(scene, imagesDir), scene.beats);
      });
      assert.ok(said.some((line) => /refused: process \d+ belongs to user 65534/.test(line)));
    }),
  ));

test.run();
