// Owns the version that `--version` prints; scripts/bundle.mjs puts the one of package.json in.
declare const QUBES_QOS_VERSION: string | undefined;

/** The version of the suite, or `source` when run without a bundle. */
export const VERSION = typeof QUBES_QOS_VERSION === 'string' ? QUBES_QOS_VERSION : 'source';
