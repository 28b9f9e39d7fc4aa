// Compares typed arrays value by value. Vitest's own comparison makes objects of all their elements,
// which takes seconds for label maps.
import { expect } from 'vitest';

expect.addEqualityTesters([
  (a, b) => {
    if (!isTypedArray(a) || !isTypedArray(b)) return undefined;
    if (a.constructor !== b.constructor || a.length !== b.length) return false;
    for (let index = 0; index < a.length; index++) if (!Object.is(a[index], b[index])) return false;
    return true;
  },
]);

function isTypedArray(value: unknown): value is Uint8Array {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}
