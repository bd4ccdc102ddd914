/**
 * Writes the images of tasks: the tree, and for each task its cores, mappings, ids and folders.
 */

import type { ImageSet } from '../../images/set.js';
import type { LiveTaskFrame, XsaveLayout } from '../../helper/protocol.js';
import type { CgroupSets } from '../cgroup.js';
import { type CoreContext, developLeader, developThread, developZombie } from '../core.js';
import type { Entry } from '../entry.js';
import type { Facts } from '../facts.js';
import type { Files } from '../files/index.js';
import { developFs } from '../fs.js';
import type { HugePages } from '../hugetlb.js';
import { developMm } from '../mm.js';
import { developPstree } from '../pstree.js';
import { developVmas } from '../vma.js';
import { writeImage } from './image.js';

export interface Tasks {
  facts: Facts;
  files: Files;
  huge: HugePages;
  cgroups: CgroupSets;
  ids: ReadonlyMap<number, Entry<'task_kobj_ids_entry'>>;
  xsave: XsaveLayout;
}

export function writeTasks(images: ImageSet, tasks: Tasks): void {
  const { facts } = tasks;
  for (const task of facts.tasks) {
    if (task.state === 'zombie') writeImage(images.create('CORE', task.pid), [developZombie(task)]);
    else writeTask(images, tasks, task);
  }
  writeImage(images.create('PSTREE'), developPstree(facts.tasks));
}

function writeTask(images: ImageSet, tasks: Tasks, task: LiveTaskFrame): void {
  const { pid } = task;
  const { facts, files, huge, cgroups, ids, xsave } = tasks;
  const vmas = developVmas(pid, facts.space(pid), huge, (vma) => files.backing(vma, task));
  writeCores(images, facts, task, { xsave, cgroupSet: cgroups.idOf(task.cgroups) });
  writeImage(images.create('IDS', pid), [ids.get(pid)!]);
  writeImage(images.create('MM', pid), [developMm(task, vmas)]);
  writeImage(images.create('FS', pid), [developFs(task)]);
}

function writeCores(
  images: ImageSet,
  facts: Facts,
  task: LiveTaskFrame,
  context: CoreContext,
): void {
  const [leader, ...others] = facts.threads(task.pid);
  writeImage(images.create('CORE', task.pid), [developLeader(task, leader!, context)]);
  for (const thread of others) {
    writeImage(images.create('CORE', thread.tid), [developThread(thread, context)]);
  }
}
