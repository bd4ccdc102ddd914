#!/usr/bin/env node
// The command as one file, dist/ckpt.cjs: a small dump takes some 40 ms, and finding and loading
// a hundred modules would take as long again. What is ours is bundled; packages stay packages.
import { chmodSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const outfile = 'dist/ckpt.cjs';

rmSync(`${outfile}.cache`, { force: true }); // V8 would take it for its own: see src/boot/compile.cts
await build({
  entryPoints: ['src/cli/main.ts'],
  outfile,
  bundle: true,
  packages: 'external',
  platform: 'node',
  target: 'node20',
  format: 'cjs',
  define: { 'import.meta.url': 'bundleUrl' },
  banner: { js: "const bundleUrl = require('node:url').pathToFileURL(__filename).href;" },
  logLevel: 'warning',
});
chmodSync('dist/src/boot/ckpt.cjs', 0o755); // npx starts it in the checkout
