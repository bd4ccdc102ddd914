/** `ckpt check`: a table for people, or the result as it is. */

import { check, type CheckItem } from '../check/check.js';
import { print, printJson } from './print.js';

/** Exit code 1 where no dump could work. */
export async function run({ json }: Record<string, unknown>): Promise<number> {
  const result = await check();
  if (json) {
    printJson(result);
  } else {
    const { kernel, arch, items, ok } = result;
    const verdict = ok ? 'dumps work here' : 'dumps do not work here';
    print(`Linux ${kernel} ${arch}: ${verdict}\n\n${table(items)}`);
  }
  return result.ok ? 0 : 1;
}

function table(items: CheckItem[]): string {
  const width = Math.max(...items.map(({ name }) => name.length));
  return items.map((item) => row(item, width)).join('\n');
}

function row({ name, ok, required, detail, meaning }: CheckItem, width: number): string {
  const state = ok ? 'yes' : required ? 'NO ' : 'no ';
  const reason = ok || !detail ? '' : ` (${detail})`;
  return `  ${state}  ${name.padEnd(width)}  ${meaning}${reason}`;
}
