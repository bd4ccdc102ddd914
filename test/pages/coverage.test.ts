// Whether runs are all among pages that there are.
import { test } from 'uvu';
import * as assert from 'uvu/assert';
import { Coverage } from '../../src/pages/coverage.js';

const pages = new Coverage();
for (const [page, count] of [
  [10, 2],
  [12, 3],
  [20, 1],
  [2 ** 51, 4],
]) {
  pages.add({ page: page!, count: count! });
}

test('a run that is all there has no gap, be it in parts', () => {
  for (const [page, count] of [
    [10, 5],
    [11, 2],
    [14, 1],
    [20, 1],
    [2 ** 51 + 3, 1],
  ]) {
    assert.is(pages.firstGap({ page: page!, count: count! }), undefined);
  }
});

test('the first pages that are missing are told, up to those that are there again', () => {
  assert.equal(pages.firstGap({ page: 9, count: 3 }), { page: 9, count: 1 });
  assert.equal(pages.firstGap({ page: 13, count: 4 }), { page: 15, count: 2 });
  assert.equal(pages.firstGap({ page: 10, count: 100 }), { page: 15, count: 5 });
  assert.equal(pages.firstGap({ page: 20, count: 100 }), { page: 21, count: 99 });
  assert.equal(pages.firstGap({ page: 2 ** 51 + 4, count: 1 }), { page: 2 ** 51 + 4, count: 1 });
  assert.equal(new Coverage().firstGap({ page: 0, count: 7 }), { page: 0, count: 7 });
});

test.run();
