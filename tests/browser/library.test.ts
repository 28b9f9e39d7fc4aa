// The library in a real browser. It loads dist/ (`npm run build`).
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { beforeAll, expect, it } from 'vitest';
import {
  type PixelImage,
  type Region,
  decodeImage,
  loadModel,
  openGpu,
  packagedWeights,
} from '../../src/node.js';
import { describeInChromium, images } from './pages.js';

type Library = typeof import('../../src/index.js');

const example = new URL('../../examples/street.jpg', import.meta.url);
// What is left out and why: src/images/source.ts.
const likeInNode = [
  ...[
    'baseline.jpg',
    'progressive.jpg',
    'half-chroma.jpg',
    'full-chroma.jpg',
    'grey.jpg',
    'profile.jpg',
    'gamma.png',
    'grey16.png',
  ],
  ...[
    'palette8.png',
    'rgb16-interlaced.png',
    'lossy.webp',
    'orientation-3.jpg',
    'orientation-6.jpg',
    'orientation-8.png',
  ],
];

describeInChromium('the library', (newPage) => {
  let page: Page;
  beforeAll(async () => {
    ({ page } = await newPage('style.css'));
    // As text: vitest rewrites the import of a function.
    await page.evaluate(
      "import('/dist/browser.js').then((library) => Object.assign(globalThis, { panpp: library }))",
    );
  });

  it('finds the regions that Node finds', async () => {
    const { decoded, regions, adapter } = await page.evaluate(async () => {
      const { imageFrom, loadModel, loadWeights, requestGpu } = panpp;
      const gpu = await requestGpu();
      const model = await loadModel(gpu, await loadWeights('/weights/pan-pp-resnet18.safetensors'));
      Object.assign(globalThis, { model });
      const picture = await (await fetch('/examples/street.jpg')).blob();
      const { data } = await imageFrom(picture);
      const decoded = new Uint8Array(await crypto.subtle.digest('SHA-256', data as BufferSource));
      const { regions } = await model.detect(picture, { shortSide: 160 });
      return { decoded: [...decoded], regions, adapter: gpu.profile.adapter };
    });
    console.log(`browser ${page.context().browser()!.version()}, ${adapter}`);

    const gpu = await openGpu({ adapter: 'swiftshader' });
    const image = await decodeImage(readFileSync(example), 'street.jpg');
    const model = await loadModel(gpu, readFileSync(packagedWeights()));
    const inNode = await model.detect(image, { shortSide: 160 });
    gpu.dispose();

    expect(decoded).toEqual(await sha256(rgba(image)));
    expect(inNode.regions.length).toBeGreaterThan(3);
    expectSameRegions(regions, inNode.regions);
  });

  it('takes pictures from everything that holds one, pixel by pixel', async () => {
    const differences = await page.evaluate(async () => {
      const { imageFrom } = panpp;
      const [width, height] = [48, 32];
      const pixels = new ImageData(width, height);
      for (let at = 0; at < pixels.data.length; at += 4)
        pixels.data.set([(at * 7) % 251, (at >> 5) % 256, (at * 3) % 241, 255], at);
      const offscreen = new OffscreenCanvas(width, height);
      offscreen.getContext('2d')!.putImageData(pixels, 0, 0);
      const canvas = Object.assign(document.createElement('canvas'), { width, height });
      canvas.getContext('2d')!.drawImage(offscreen, 0, 0);
      const blob = await offscreen.convertToBlob({ type: 'image/png' });
      const element = Object.assign(new Image(), { src: URL.createObjectURL(blob) });
      await element.decode();
      const sources = {
        'RGBA bytes': { width, height, channels: 4 as const, data: pixels.data },
        ImageData: pixels,
        OffscreenCanvas: offscreen,
        HTMLCanvasElement: canvas,
        Blob: blob,
        HTMLImageElement: element,
        ImageBitmap: await createImageBitmap(pixels),
        VideoFrame: new VideoFrame(canvas, { timestamp: 0 }),
      };
      const worst: Record<string, number> = {};
      for (const [name, source] of Object.entries(sources)) {
        const image = await imageFrom(source);
        const sizes =
          image.width === width &&
          image.height === height &&
          image.data.length === pixels.data.length;
        worst[name] = sizes
          ? Math.max(...image.data.map((value, at) => Math.abs(value - pixels.data[at])))
          : Infinity;
      }
      return worst;
    });
    expect(Object.keys(differences)).toHaveLength(8);
    for (const [name, difference] of Object.entries(differences)) expect(difference, name).toBe(0);
  });

  it('looks at pictures on the GPU as at their bytes', async () => {
    const oriented = [...readFileSync(new URL('orientation-6.jpg', images))];
    const { differences, sizes, textures } = await page.evaluate(async (jpeg) => {
      const street = await (await fetch('/examples/street.jpg')).blob();
      const canvas = new OffscreenCanvas(320, 240);
      canvas.getContext('2d')!.drawImage(await createImageBitmap(street), 0, 0, 320, 240);
      const rotated = new Blob([new Uint8Array(jpeg)], { type: 'image/jpeg' });
      const element = Object.assign(new Image(), { src: URL.createObjectURL(rotated) });
      await element.decode();
      const bitmap = await createImageBitmap(canvas);
      const sources = {
        OffscreenCanvas: canvas,
        ImageBitmap: bitmap,
        Blob: street,
        rotated,
        HTMLImageElement: element,
        VideoFrame: new VideoFrame(canvas, { timestamp: 0 }),
      };
      const { device } = model.gpu;
      const copied: string[] = [];
      const copy = device.queue.copyExternalImageToTexture.bind(device.queue);
      const map = async (source: Parameters<typeof model.forward>[0]) => {
        return (await model.forward(source, { outputs: ['det'], shortSide: 32 })).get('det')!;
      };
      const differenceOf = (a: Float32Array, b: Float32Array) =>
        Math.max(...a.map((value, at) => Math.abs(value - b[at])));
      const differences: Record<string, number> = {};
      const sizes: Record<string, boolean> = {};
      for (const [name, source] of Object.entries(sources)) {
        device.queue.copyExternalImageToTexture = (...parameters) => {
          copied.push(name);
          copy(...parameters);
        };
        const onGpu = await map(source);
        const fromBytes = await map(await panpp.imageFrom(source));
        differences[name] = differenceOf(onGpu.data, fromBytes.data);
        sizes[name] = String(onGpu.shape) === String(fromBytes.shape);
      }
      const usage =
        GPUTextureUsage.TEXTURE_BINDING |
        GPUTextureUsage.COPY_DST |
        GPUTextureUsage.RENDER_ATTACHMENT;
      const texture = device.createTexture({ size: [320, 240], format: 'bgra8unorm', usage });
      copy({ source: bitmap }, { texture }, [320, 240]);
      differences.GPUTexture = differenceOf(
        (await map(texture)).data,
        (await map(await panpp.imageFrom(bitmap))).data,
      );
      return { differences, sizes, textures: copied };
    }, oriented);
    console.log(`copied by the GPU: ${textures.join(', ')}`);
    // The frames of videos take a detour on a software adapter; see images/source.ts.
    expect(textures).toEqual(Object.keys(sizes).filter((name) => name !== 'VideoFrame'));
    expect(Object.values(sizes)).not.toContain(false);
    expect(Object.keys(differences)).toHaveLength(7);
    for (const [name, difference] of Object.entries(differences)) expect(difference, name).toBe(0);
  });

  it('finds in a picture on the GPU, in tiles, what it finds in its bytes', async () => {
    const [onGpu, fromBytes] = await page.evaluate(async () => {
      const street = await createImageBitmap(await (await fetch('/examples/street.jpg')).blob());
      const strip = new OffscreenCanvas(800, 32);
      const context = strip.getContext('2d')!;
      for (let x = 0; x < 800; x += 48) context.drawImage(street, 760, 40, 480, 320, x, 0, 48, 32);
      const options = { shortSide: 32, tileSide: 768, minArea: 0, minScore: 0.3 };
      const bytes = await panpp.imageFrom(strip);
      return [
        (await model.detect(strip, options)).regions,
        (await model.detect(bytes, options)).regions,
      ];
    });
    expect(onGpu.length).toBeGreaterThan(3);
    expect(onGpu).toEqual(fromBytes);
  });

  it('takes the frame that a video shows', async () => {
    const { size, colour } = await page.evaluate(async () => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 64, height: 48 });
      const context = canvas.getContext('2d')!;
      const stream = canvas.captureStream();
      const video = Object.assign(document.createElement('video'), {
        srcObject: stream,
        muted: true,
      });
      const paint = setInterval(() => {
        context.fillStyle = 'rgb(200 100 50)';
        context.fillRect(0, 0, 64, 48);
      }, 20);
      await video.play();
      const { width, height, data } = await panpp.imageFrom(video);
      clearInterval(paint);
      return { size: [width, height], colour: [...data.slice(0, 3)] };
    });
    expect(size).toEqual([64, 48]);
    [200, 100, 50].forEach((value, channel) =>
      expect(Math.abs(colour[channel] - value)).toBeLessThanOrEqual(4),
    );
  });

  it.each(likeInNode)('decodes %s to the bytes that Node decodes it to', async (name) => {
    const bytes = readFileSync(new URL(name, images));
    const { width, height, pixels } = await page.evaluate(
      async (content) => {
        const { width, height, data } = await panpp.imageFrom(new Blob([new Uint8Array(content)]));
        return { width, height, pixels: [...data] };
      },
      [...bytes],
    );
    const image = await decodeImage(bytes, name);
    expect([width, height]).toEqual([image.width, image.height]);
    expect(pixels).toEqual([...rgba(image)]);
  });

  it('says in one line why a picture can’t be taken', async () => {
    const messages = await page.evaluate(async () => {
      const messageOf = (promise: Promise<unknown>) =>
        promise.then(
          () => 'no error',
          ({ code, message }) => `${code}: ${message}`,
        );
      const closed = await createImageBitmap(new ImageData(2, 2));
      closed.close();
      return Promise.all([
        messageOf(panpp.imageFrom(new File(['no picture'], 'notes.png'))),
        messageOf(panpp.imageFrom(closed)),
        messageOf(panpp.imageFrom(document.createElement('video'))),
        messageOf(panpp.imageFrom(document.createElement('p') as never)),
        messageOf(model.detect(closed)),
      ]);
    });
    expect(messages).toEqual([
      'image: notes.png (10 bytes) is damaged or not an image that this browser can decode',
      'image: this ImageBitmap has no pixels; wait until it is loaded, and do not close it before',
      'image: this HTMLVideoElement has no pixels; wait until it is loaded, and do not close it before',
      'argument: an image is { width, height, channels, data }, or what a browser draws, not HTMLParagraphElement',
      'image: this ImageBitmap has no pixels; wait until it is loaded, and do not close it before',
    ]);
  });

  it('uses a canvas as it was at the call, and keeps the order of calls', async () => {
    const [first, second, third] = await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(320, 240);
      const context = canvas.getContext('2d')!;
      const street = await createImageBitmap(await (await fetch('/examples/street.jpg')).blob());
      const options = { shortSide: 128, minArea: 0 };
      context.drawImage(street, 0, 0, 320, 240);
      const done: number[] = [];
      const detect = async (index: number) => {
        const { regions } = await model.detect(canvas, options);
        done.push(index);
        return regions.length;
      };
      const calls = [detect(0)];
      context.clearRect(0, 0, 320, 240);
      calls.push(detect(1));
      return [...(await Promise.all(calls)), done.join()];
    });
    expect(first).toBeGreaterThan(0);
    expect(second).toBe(0);
    expect(third).toBe('0,1');
  });

  it('keeps weights in the Cache API on request', async () => {
    const { sizes, kept, offline } = await page.evaluate(async () => {
      const url = '/weights/pan-pp-resnet18.safetensors?cached';
      const load = () => panpp.loadWeights(url, { cache: 'panpp-test' });
      const sizes = [(await load()).length];
      const { fetch } = globalThis;
      globalThis.fetch = () => Promise.reject(new Error('no network'));
      try {
        sizes.push((await load()).length);
        const offline = await panpp.loadWeights(url).catch((error: Error) => error.message);
        return { sizes, kept: await caches.delete('panpp-test'), offline };
      } finally {
        globalThis.fetch = fetch;
      }
    });
    const { length } = readFileSync(packagedWeights());
    expect(sizes).toEqual([length, length]);
    expect(kept).toBe(true);
    expect(offline).toBe(
      "/weights/pan-pp-resnet18.safetensors?cached can't be loaded (no network); check the address, the network, and CORS",
    );
  });

  it('works on a device that the caller has, and leaves it open', async () => {
    const usable = await page.evaluate(async () => {
      const device = await (await navigator.gpu.requestAdapter())!.requestDevice();
      const gpu = await panpp.requestGpu({ device });
      const loaded = await panpp.loadModel(
        gpu,
        await panpp.loadWeights('/weights/pan-pp-resnet18.safetensors'),
      );
      const { regions } = await loaded.detect(new ImageData(64, 64), { shortSide: 64 });
      loaded.dispose();
      gpu.dispose();
      device.pushErrorScope('validation');
      device.createBuffer({ size: 16, usage: GPUBufferUsage.STORAGE }).destroy();
      const error = await device.popErrorScope();
      device.destroy();
      return regions.length === 0 && error === null;
    });
    expect(usable).toBe(true);
  });

  it('reports a device lost during work, and can start again', async () => {
    const outcomes = await page.evaluate(async () => {
      const weights = await panpp.loadWeights('/weights/pan-pp-resnet18.safetensors');
      const picture = new ImageData(64, 64);
      const start = async () => panpp.loadModel(await panpp.requestGpu(), weights);
      const outcomeOf = (call: Promise<unknown>) =>
        call.then(
          () => 'done',
          ({ name, code }) => `${name} ${code}`,
        );
      const lost = await start();
      const call = outcomeOf(lost.detect(picture, { shortSide: 64 }));
      lost.gpu.device.destroy();
      const renewed = await start();
      return [
        await call,
        await outcomeOf(lost.detect(picture)),
        await outcomeOf(renewed.detect(picture, { shortSide: 64 })),
      ];
    });
    expect(outcomes).toEqual(['PanppError device-lost', 'PanppError device-lost', 'done']);
  });
});

/** Set in the page. */
declare const panpp: Library;
declare const model: Awaited<ReturnType<Library['loadModel']>>;

function expectSameRegions(actual: readonly Region[], expected: readonly Region[]): void {
  expect(actual.length).toBe(expected.length);
  actual.forEach(({ polygon }, index) => {
    const other = expected[index].polygon;
    expect(polygon.length).toBe(other.length);
    polygon.forEach(([x, y], corner) => {
      expect(
        Math.max(Math.abs(x - other[corner][0]), Math.abs(y - other[corner][1])),
      ).toBeLessThanOrEqual(1);
    });
  });
}

/** As a canvas has it. */
function rgba({ width, height, channels, data }: PixelImage): Uint8Array {
  const pixels = new Uint8Array(4 * width * height).fill(255);
  for (let at = 0; at < width * height; at++) {
    for (let channel = 0; channel < 3; channel++)
      pixels[4 * at + channel] = data[channels * at + channel];
  }
  return pixels;
}

const sha256 = async (bytes: Uint8Array) => [
  ...new Uint8Array(await crypto.subtle.digest('SHA-256', bytes as BufferSource)),
];
