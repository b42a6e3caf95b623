// Owns the interface of a row of kinds.ts, and what the rows have in common.
import type { QdiscOptions } from '../options.js';

/** Options as `tc -d -j qdisc show` prints them. */
export type JsonOptions = Readonly<Record<string, unknown>>;

/** What one kind of qdisc looks like to tc. */
export interface KindSpec<O extends QdiscOptions> {
  /** The words after the kind in `tc qdisc replace`, in the order given. */
  words(options: O): readonly string[];
  /** The options that the kernel shows, every one of them, or undefined when they are nothing that we would have set. */
  read(json: JsonOptions): O | undefined;
  /** True when what the kernel shows is what it makes of what was asked. */
  same(desired: O, observed: O): boolean;
  /**
   * What to say in `tc qdisc replace` under the same handle so that the observed qdisc becomes the desired one: what is
   * not said stays as it is. Undefined when the kernel or tc cannot, and the tree must be rebuilt.
   */
  change(desired: O, observed: O): O | undefined;
}

/** CoDel keeps times in units of 1024 ns: 5000 µs come back as 4999. */
export function sameTime(desired: number, observed: number): boolean {
  return Math.abs(desired - observed) <= 2;
}

/** True when the desired value is absent and the kernel takes it from the device, or when both are equal. */
export function sameIfSaid<T>(desired: T | undefined, observed: T | undefined): boolean {
  return desired === undefined || desired === observed;
}

/** `name value`, or nothing when there is no value. */
export function pair(name: string, value: number | string | undefined, unit = ''): string[] {
  return value === undefined ? [] : [`${name} ${value}${unit}`];
}

/** One of two words, or nothing when it is not said. */
export function flag(value: boolean | undefined, yes: string, no: string): string[] {
  return value === undefined ? [] : [value ? yes : no];
}

/** A number of tc's JSON, or undefined when it is not there. */
export function numberOf(value: unknown): number | undefined {
  return value === undefined || value === null ? undefined : Number(value);
}

/** The list of numbers of tc's JSON. */
export function numbersOf(value: unknown): number[] {
  return Array.isArray(value) ? value.map(Number) : [];
}

/** True when both lists have the same numbers in the same order. */
export function equalLists(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, index) => value === b[index]);
}
