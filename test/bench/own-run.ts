// CRIU keeps what it has learned of the kernel in /run, if that is in memory: a bench gives it one.
import { spawnSync } from 'node:child_process';

/**
 * Runs this program anew in a mount namespace with an empty /run, with `--inside` as its last argument,
 * and ends as it ends. Needs root; without it the program ends here.
 */
export function runWithOwnRun(program: string): never {
  if (process.getuid?.() !== 0) {
    console.error('bench: needs root');
    process.exit(1);
  }
  const script = 'mount -t tmpfs -o mode=755 tmpfs /run && exec "$@"';
  const self = [process.execPath, program, ...process.argv.slice(2)];
  const args = ['--mount', 'sh', '-c', script, 'sh', ...self, '--inside'];
  process.exit(spawnSync('unshare', args, { stdio: 'inherit' }).status ?? 1);
}
