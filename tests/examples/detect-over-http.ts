import { readFileSync } from 'node:fs';
import { expect } from 'vitest';

/** Expects an example's `/detect` to find text in the picture, and to say what is no picture. */
export async function expectDetection(url: string): Promise<void> {
  const post = (body: Uint8Array<ArrayBuffer>) =>
    fetch(`${url}/detect?shortSide=128`, {
      method: 'POST',
      headers: { 'content-type': 'image/jpeg' },
      body,
    });
  const street = readFileSync(new URL('../../examples/street.jpg', import.meta.url));
  const found = await post(new Uint8Array(street));
  const { regions } = (await found.json()) as { regions: unknown[] };
  expect(regions.length).toBeGreaterThan(0);
  const refused = await post(new TextEncoder().encode('no picture'));
  expect(refused.status).toBe(400);
  expect(await refused.json()).toEqual({
    error: expect.stringMatching(/unknown format/) as string,
  });
}
