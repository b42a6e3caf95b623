// Owns the rows of pfifo and bfifo: both take one limit, in packets or in bytes.
import type { FifoOptions } from '../options.js';
import { numberOf, pair, sameIfSaid, type JsonOptions, type KindSpec } from './spec.js';

type Limited = Pick<FifoOptions<'pfifo'>, 'limit'>;

const words = ({ limit }: Limited): string[] => pair('limit', limit);
const same = (a: Limited, b: Limited): boolean => sameIfSaid(a.limit, b.limit);

// {"limit":1000}
function read(json: JsonOptions): Limited {
  const limit = numberOf(json['limit']);
  return limit === undefined ? {} : { limit };
}

export const PFIFO: KindSpec<FifoOptions<'pfifo'>> = {
  words,
  read: (json) => ({ kind: 'pfifo', ...read(json) }),
  same,
  change: (desired) => desired,
};

export const BFIFO: KindSpec<FifoOptions<'bfifo'>> = {
  words,
  read: (json) => ({ kind: 'bfifo', ...read(json) }),
  same,
  change: (desired) => desired,
};
