// Owns the few shapes that all JSON of nft is made of.

export type JsonObject = Readonly<Record<string, unknown>>;

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** The left side of a comparison: what is compared, and the mask, where there is one. */
export function operandsOf(left: unknown): readonly unknown[] {
  const operands = isObject(left) ? left['&'] : undefined;
  return Array.isArray(operands) ? (operands as readonly unknown[]) : [left];
}
