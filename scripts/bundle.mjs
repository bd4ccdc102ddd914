#!/usr/bin/env node
// The command as one file, dist/ckpt.cjs: a small dump takes some 30 ms beside Node's own start, and
// finding and loading a hundred modules would take as long again. protobufjs, which every dump needs,
// is bundled, with its licence; what few need stays a package.
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const outfile = 'dist/ckpt.cjs';
const licence = readFileSync('node_modules/protobufjs/LICENSE', 'utf8');

rmSync(`${outfile}.cache`, { force: true }); // V8 would take it for its own: see src/boot/ckpt.cts
await build({
  entryPoints: ['src/cli/main.ts'],
  outfile,
  bundle: true,
  external: ['cli-progress', 'execa', 'long', 'yargs'],
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  define: { 'import.meta.dirname': '__dirname', 'import.meta.filename': '__filename' },
  footer: { js: `/*\n${licence}*/` },
  logLevel: 'warning',
});
chmodSync('dist/src/boot/ckpt.cjs', 0o755); // npx starts it in the checkout
