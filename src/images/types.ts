/** What callers give to be written, and what they get that was read, derived from the messages. */

import type Long from 'long';
import type { U64 } from './u64.js';

type Repeated<T> = {
  [K in keyof T]-?: NonNullable<T[K]> extends readonly unknown[] ? K : never;
}[keyof T];

type Given<T> = T extends Long
  ? U64
  : T extends Uint8Array
    ? Uint8Array
    : T extends readonly (infer Item)[]
      ? readonly Given<Item>[]
      : T extends object
        ? Input<T>
        : T;

/** A message to be written: 64-bit values in any shape, repeated fields may be left out. */
export type Input<T> = { [K in keyof T as Exclude<K, Repeated<T>>]: Given<NonNullable<T[K]>> } & {
  [K in Repeated<T>]?: Given<NonNullable<T[K]>>;
};

type Read<T> = T extends Long | Uint8Array
  ? T
  : T extends readonly (infer Item)[]
    ? Read<Item>[]
    : T extends object
      ? Output<T>
      : T;

/** A message as read: what is required is there, repeated fields are, be they empty. */
export type Output<T> = { [K in keyof T]: Read<Exclude<T[K], undefined>> };
