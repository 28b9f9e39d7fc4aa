// What `requestGpu` says where there is no WebGPU: in Node, and on a page whose origin is insecure.
import { afterEach, expect, it, vi } from 'vitest';
import { requestGpu } from '../../src/gpu/context.js';

afterEach(() => vi.unstubAllGlobals());

it('says what to use instead in Node', async () => {
  await expect(requestGpu()).rejects.toMatchObject({
    code: 'adapter',
    message:
      "WebGPU is not available; in Node use openGpu() from 'panpp/node', else a browser with WebGPU",
  });
});

it('says that an insecure page has no WebGPU', async () => {
  vi.stubGlobal('isSecureContext', false);
  vi.stubGlobal('location', new URL('http://192.0.2.5:8080/page'));
  await expect(requestGpu()).rejects.toMatchObject({
    code: 'adapter',
    message:
      'WebGPU is not available on http://192.0.2.5:8080: browsers have it on https and localhost only',
  });
});
