// What a user installs: both tarballs, in an empty folder.
import { accessSync, constants, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { execa } from 'execa';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkout } from '../support/paths.js';

const HELPER = 'ckpt-helper-linux-x64';

interface Packed {
  filename: string;
  files: { path: string; mode: number }[];
}

const dir = await mkdtemp(join(tmpdir(), 'ckpt-pack-'));
const test = suite('packages');
let main: Packed;
let helper: Packed;

const version = (folder: string): Record<string, never> =>
  JSON.parse(readFileSync(join(checkout, folder, 'package.json'), 'utf8'));

async function pack(...args: string[]): Promise<Packed> {
  const words = ['pack', '--json', '--pack-destination', dir, ...args];
  const { stdout } = await execa('npm', words, { cwd: checkout });
  const packed: unknown = JSON.parse(stdout);
  return (Array.isArray(packed) ? packed : Object.values(packed as object))[0] as Packed;
}

/** A new folder in which `tarballs` are installed. */
async function install(name: string, ...tarballs: Packed[]): Promise<string> {
  const folder = join(dir, name);
  mkdirSync(folder);
  writeFileSync(join(folder, 'package.json'), '{"private":true}');
  const files = tarballs.map(({ filename }) => join(dir, filename));
  const words = ['install', '--prefer-offline', '--ignore-scripts', ...files];
  await execa('npm', words, { cwd: folder });
  return folder;
}

async function npx(folder: string, ...words: string[]) {
  const { exitCode, stdout, stderr } = await execa('npx', ['--no', '--', 'ckpt', ...words], {
    cwd: folder,
    reject: false,
    env: { npm_config_loglevel: 'silent', CKPT_HELPER: '' },
  });
  return { code: exitCode, stdout, stderr };
}

test.before(async () => {
  main = await pack();
  helper = await pack('--workspace', HELPER);
});
test.after(() => rm(dir, { recursive: true, force: true }));

test('the two packages go together: one version, and the helper for its platform alone', () => {
  const { version: ours, optionalDependencies } = version('.');
  const { version: theirs, os, cpu } = version('npm/helper-linux-x64');
  assert.equal(optionalDependencies, { [HELPER]: ours });
  assert.is(theirs, ours);
  assert.equal({ os, cpu }, { os: ['linux'], cpu: ['x64'] });
});

test('the tarballs hold what is needed, and no tests or sources', () => {
  const files = main.files.map(({ path }) => path);
  for (const path of [
    'dist/ckpt.cjs',
    'dist/ckpt.cjs.cache',
    'dist/src/boot/ckpt.cjs',
    'dist/src/index.js',
    'dist/src/index.d.ts',
    'LICENSE',
    'README.md',
  ]) {
    assert.ok(files.includes(path), path);
  }
  assert.equal(
    files.filter((path) => /test|^src|^helper|node_modules/.test(path)),
    [],
  );
  const binary = helper.files.find(({ path }) => path === 'ckpt-helper');
  assert.is(binary!.mode & 0o111, 0o111, 'the helper is executable');
});

test('installed, the command works and finds its helper', async () => {
  const folder = await install('both', main, helper);
  accessSync(join(folder, 'node_modules', HELPER, 'ckpt-helper'), constants.X_OK);
  const { code, stdout } = await npx(folder, '--version');
  assert.is(code, 0);
  assert.is(stdout, `ckpt ${version('.').version}`);
  const check = await npx(folder, 'check', '--json');
  const result = JSON.parse(check.stdout);
  assert.ok(result.items?.length > 5, check.stdout);
  assert.is(check.code, result.ok ? 0 : 1);

  const script =
    "import { check, dump, CkptError } from 'ckpt'; console.log((await check()).kernel);";
  const { stdout: kernel } = await execa(process.execPath, ['--input-type=module', '-e', script], {
    cwd: folder,
    env: { CKPT_HELPER: '' },
  });
  assert.is(kernel, result.kernel);
  await compile(folder);
});

/** A program in TypeScript that uses the library. */
async function compile(folder: string): Promise<void> {
  const program = `
    import { check, CkptError, dump, type DumpResult, type Progress } from 'ckpt';
    const run = dump({ tree: 1, imagesDir: '/', skipPages: 'lazy', signal: AbortSignal.timeout(5) });
    for await (const { phase, done } of run) console.log(phase satisfies Progress['phase'], done + 1);
    const { pauseUs, files }: DumpResult = await run;
    console.log(pauseUs + files[0]!.size, (await check()).ok satisfies boolean);
    if (new CkptError('E_USAGE', '').code === 'E_USAGE') console.log();
    // @ts-expect-error: no such mode
    dump({ tree: 1, imagesDir: '/', skipPages: 'some' });
  `;
  writeFileSync(join(folder, 'program.mts'), program);
  const words = [
    '--noEmit',
    '--strict',
    '--target',
    'es2022',
    '--module',
    'nodenext',
    '--typeRoots',
  ];
  const types = join(checkout, 'node_modules/@types');
  await execa(
    join(checkout, 'node_modules/.bin/tsc'),
    [...words, types, '--types', 'node', 'program.mts'],
    {
      cwd: folder,
    },
  );
}

test('without the helper package, one line tells where it was looked for', async () => {
  const folder = await install('alone', main);
  assert.not(existsSync(join(folder, 'node_modules', HELPER)));
  const { code, stderr } = await npx(folder, 'check');
  assert.is(code, 1);
  assert.match(stderr, `package ${HELPER}: not installed`);
  assert.match(stderr, `checkout: ${folder}/node_modules/ckpt/npm/`);
  assert.match(stderr, 'set CKPT_HELPER');
  assert.not.match(stderr, '\n');
});

test.run();
