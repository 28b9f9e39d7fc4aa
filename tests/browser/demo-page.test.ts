// The demo page in a real browser. It loads dist/ (`npm run build`). Screenshots to look at go to
// panpp-output/browser/.
import { readFileSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { decodeImage, encodePng } from '../../src/node.js';
import { packagedDetectorFile } from '../support/detector.js';
import { signImage } from '../support/picture.js';
import { describeInChromium, images } from './pages.js';

const screenshots = 'panpp-output/browser/';

describeInChromium('the demo page', (newPage) => {
  const wide = { viewport: { width: 1280, height: 860 } };
  const phone = {
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
    isMobile: true,
    hasTouch: true,
  };

  it('finds and reads the sample’s text by keyboard, shows maps, and hands out text, JSON and a picture', async () => {
    const { page, problems } = await newPage('./', {
      ...wide,
      colorScheme: 'light',
      acceptDownloads: true,
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    await page.locator('#sample').press('Enter');
    await page.getByText(/regions?, \d+ words? in /).waitFor();
    const regions = await page.locator('#list li').count();
    expect(regions).toBeGreaterThan(3);
    expect(await page.locator('#regions polygon:not(.rim)').count()).toBe(regions);
    const words = await page.locator('#list .word').allTextContents();
    expect(words).toContain('THE'); // the sign's largest letters
    expect(await page.locator('#regions text').allTextContents()).toEqual(words);
    await page.getByRole('button', { name: /^THE, score [01]\.\d{3}$/ }).waitFor();
    expect(await page.locator('#adapter').textContent()).toMatch(/swiftshader.*\(software\)/i);
    expect(await page.locator('#times').textContent()).toMatch(
      /resize.*network.*aggregation.*shapes.*reading.*total/,
    );
    await page.screenshot({ path: `${screenshots}light.png` });

    await page.locator('#copy').press('Enter');
    await page.getByText(/words? copied/).waitFor();
    expect(await page.evaluate(() => navigator.clipboard.readText())).toBe(words.join('\n'));
    for (const layer of ['#shapes', '#labels']) {
      const name = layer === '#shapes' ? 'Outlines' : 'Words';
      await page.getByLabel(name).uncheck();
      expect(await page.locator(layer).isHidden()).toBe(true);
      await page.getByLabel(name).check();
      expect(await page.locator(layer).isVisible()).toBe(true);
    }

    for (const layer of ['Text', 'Kernels', 'Vectors']) {
      await page.getByText(layer, { exact: true }).click();
      await page.locator('#map').waitFor();
      await page.waitForFunction(
        () => document.querySelector<HTMLCanvasElement>('#map')!.width === 88,
      );
      await page.locator('#stage').screenshot({ path: `${screenshots}${layer.toLowerCase()}.png` });
    }

    const [json] = await Promise.all([
      page.waitForEvent('download'),
      page.locator('#json').press('Enter'),
    ]);
    expect(json.suggestedFilename()).toBe('street.json');
    const record = JSON.parse(readFileSync(await json.path(), 'utf8'));
    expect(record).toMatchObject({ image: 'street.jpg', width: 1280, height: 960 });
    expect(record.regions).toHaveLength(regions);
    const textOf = ({ text }: { text: string }) => text;
    expect(record.regions.map(textOf).filter(Boolean)).toEqual(words);
    const overlayOf = async () => {
      const [png] = await Promise.all([
        page.waitForEvent('download'),
        page.locator('#png').press('Enter'),
      ]);
      expect(png.suggestedFilename()).toBe('street.overlay.png');
      await png.saveAs(`${screenshots}street.overlay.png`);
      return decodeImage(readFileSync(await png.path()), 'overlay');
    };
    await page.getByLabel('Words').uncheck();
    const plain = await overlayOf();
    await page.getByLabel('Words').check();
    const overlay = await overlayOf();
    expect([overlay.width, overlay.height]).toEqual([1280, 960]);
    const differing = overlay.data.filter((value, at) => value !== plain.data[at]).length;
    expect(differing).toBeGreaterThan(1000 * words.length);

    // Everything is still there in the dark and on a phone.
    await page.emulateMedia({ colorScheme: 'dark' });
    await page.evaluate(() => scrollTo(0, 0));
    await page.screenshot({ path: `${screenshots}dark.png` });
    await page.setViewportSize(phone.viewport);
    expect(await page.evaluate(() => document.documentElement.scrollWidth)).toBeLessThanOrEqual(
      phone.viewport.width,
    );
    await page.screenshot({ path: `${screenshots}phone.png`, fullPage: true });

    await page.locator('#file').setInputFiles({
      name: 'notes.png',
      mimeType: 'image/png',
      buffer: Buffer.from('no picture'),
    });
    await page.getByRole('alert').waitFor();
    expect(await page.getByRole('alert').textContent()).toBe(
      'notes.png (10 bytes) is damaged or not an image that this browser can decode',
    );
    expect(problems).toEqual([]);
    await page.close();
  });

  it('puts words beside their regions, as text and never as markup', async () => {
    const markup = '<img src=x onerror=alert(1)>';
    const regionAt = (text: string, left: number, top: number, right: number, bottom: number) => ({
      text,
      score: 0.9,
      textScore: text ? 0.75 : 0,
      box: { left, top, right, bottom },
      polygon: [
        [left, top],
        [right, top],
        [right, bottom],
        [left, bottom],
      ],
    });
    const regions = [
      regionAt('above', 20, 40, 80, 60),
      regionAt('below', 120, 0, 180, 30),
      regionAt('inside', 220, 0, 280, 100),
      regionAt('inwards', 390, 40, 400, 60),
      regionAt('', 20, 70, 80, 90),
      regionAt(markup, -5, 70, 80, 90),
    ];
    const { page, problems } = await newPage('style.css', wide);
    await openStubbed(page);
    await page.evaluate((found) => (stub.found = found), regions);
    await openBlank(page, 'a.png', 400, 100);
    await page.getByText('6 regions, 5 words in ').waitFor();
    const labels = await page.locator('#labels text').evaluateAll((nodes) =>
      (nodes as SVGTextElement[]).map((node) => ({
        text: node.textContent,
        x: Number(node.getAttribute('x')),
        y: Number(node.getAttribute('y')),
        width: node.getComputedTextLength(),
      })),
    );
    // Letters of 12 pixels: none are smaller on the screen.
    expect(labels).toMatchObject([
      { text: 'above', x: 20, y: expect.closeTo(35.2) },
      { text: 'below', x: 120, y: 42 },
      { text: 'inside', x: 220, y: 12 },
      { text: 'inwards', y: expect.closeTo(35.2) },
      { text: markup, x: 0, y: expect.closeTo(65.2) },
    ]);
    expect(labels[3].x + labels[3].width).toBeCloseTo(400, 0);
    const namesOfItems = await page
      .locator('#list button')
      .evaluateAll((nodes) => nodes.map(({ ariaLabel }) => ariaLabel));
    expect(namesOfItems.slice(3)).toEqual([
      'inwards, score 0.750',
      'region, 60 × 20 at 20, 70, score 0.900',
      `${markup}, score 0.750`,
    ]);
    expect(await page.locator('img').count()).toBe(0);
    const fontSize = async () => Number(await page.locator('#labels').getAttribute('font-size'));
    expect(await fontSize()).toBe(12);
    await page.setViewportSize({ width: 220, height: 600 });
    await expect.poll(fontSize).toBeGreaterThan(20);

    await page.evaluate(() => (stub.found = []));
    await page.locator('#bbox').selectOption('poly');
    await page.getByText('No text found in ').waitFor();
    expect(await page.locator('#list li, #regions text, #regions polygon').count()).toBe(0);
    expect(await page.locator('#copy').isDisabled()).toBe(true);
    expect(problems).toEqual([]);
    await page.close();
  });

  describe('with a stubbed library', () => {
    let page: Page;
    let problems: readonly string[];
    beforeEach(async () => {
      ({ page, problems } = await newPage('style.css', { ...wide, permissions: ['camera'] }));
      await openStubbed(page);
    });
    afterEach(async () => {
      expect(problems).toEqual([]);
      await page.close();
    });

    const waitForCalls = (count: number) =>
      page.waitForFunction((least) => stub.calls >= least, count);
    const waitForWord = (text: string) =>
      page.locator('#list .word').getByText(text, { exact: true }).waitFor();
    const mapWidth = () => page.locator('#map').evaluate((map) => (map as HTMLCanvasElement).width);
    const dropWeights = (name: string) =>
      page.locator('#file').setInputFiles({
        name: `${name}.safetensors`,
        mimeType: 'application/octet-stream',
        buffer: Buffer.from(name),
      });

    it('shows a picture its own map, by the weights in use', async () => {
      await openBlank(page, 'a.png', 400, 100);
      await waitForWord('packaged 400');
      await page.evaluate(() => stub.hold());
      await page.getByText('Text', { exact: true }).click();
      await waitForCalls(2);
      await openBlank(page, 'b.png', 200, 100);
      await waitForCalls(3);
      await page.evaluate(() => stub.letGo());
      await waitForWord('packaged 200');
      await expect.poll(mapWidth).toBe(200);
      expect(await page.locator('#map').isVisible()).toBe(true);
      await dropWeights('other');
      await waitForWord('other 200');
      await expect.poll(mapWidth).toBe(201);
    });

    it('looks again, without an alert, if weights come during a call', async () => {
      await page.evaluate(() => stub.hold());
      await openBlank(page, 'a.png', 400, 100);
      await waitForCalls(1);
      // Only the first call has to wait.
      await page.evaluate(() => (stub.gate = undefined));
      await dropWeights('other');
      await waitForWord('other 400');
      expect(await page.getByRole('alert').isVisible()).toBe(false);
      expect(await page.evaluate(() => stub.devices)).toBe(1);
    });

    it('keeps its weights if others are damaged', async () => {
      await dropWeights('other');
      await page.getByText('Weights: other.safetensors').waitFor();
      await dropWeights('damaged');
      await page.getByRole('alert').getByText('these weights are damaged').waitFor();
      expect(await page.evaluate(() => stub.devices)).toBe(1);
      await openBlank(page, 'a.png', 400, 100);
      await waitForWord('other 400');
    });

    it('saves the settings that a result was found with', async () => {
      await openBlank(page, 'a.png', 400, 100);
      await waitForWord('packaged 400');
      await page.evaluate(() => stub.hold());
      await page.locator('#bbox').selectOption('poly');
      await waitForCalls(2);
      const [json] = await Promise.all([
        page.waitForEvent('download'),
        page.locator('#json').click(),
      ]);
      const record = JSON.parse(readFileSync(await json.path(), 'utf8'));
      expect(record.settings.bbox).toBe('rect');
    });

    it('stops the camera that is switched off, and no other', async () => {
      await page.evaluate(() => {
        const { mediaDevices } = navigator;
        const ask = mediaDevices.getUserMedia.bind(mediaDevices);
        mediaDevices.getUserMedia = async (constraints) => {
          await stub.gate?.promise;
          const stream = await ask(constraints);
          stub.tracks.push(...stream.getTracks());
          return stream;
        };
      });
      const states = () => page.evaluate(() => stub.tracks.map(({ readyState }) => readyState));
      const camera = page.locator('#camera');

      // Off before the browser has given it.
      await page.evaluate(() => stub.hold());
      await camera.click();
      await camera.click();
      await page.evaluate(() => stub.letGo());
      await expect.poll(states).toEqual(['ended']);

      // On; the list keeps the keyboard's place from frame to frame.
      await camera.click();
      await waitForCalls((await page.evaluate(() => stub.calls)) + 2);
      // In one step: the next frame brings another button.
      await page.evaluate(() => document.querySelector<HTMLElement>('#list button')!.focus());
      await waitForCalls((await page.evaluate(() => stub.calls)) + 3);
      expect(await page.locator('#list button:focus').count()).toBe(1);

      // Off and on again during a frame.
      const before = await page.evaluate(() => {
        stub.hold();
        return stub.calls;
      });
      await waitForCalls(before + 1);
      const gate = await page.evaluateHandle(() => stub.gate!);
      await page.evaluate(() => (stub.gate = undefined));
      await camera.click();
      await camera.click();
      await expect.poll(states).toEqual(['ended', 'ended', 'live']);
      await gate.evaluate(({ resolve }) => resolve());
      await waitForCalls((await page.evaluate(() => stub.calls)) + 3);
      expect(await states()).toEqual(['ended', 'ended', 'live']);
      expect(await camera.getAttribute('aria-pressed')).toBe('true');

      await camera.click();
      expect(await states()).toEqual(['ended', 'ended', 'ended']);
      expect(await camera.getAttribute('aria-pressed')).toBe('false');
      expect(await page.getByRole('alert').isVisible()).toBe(false);
    });
  });

  describe('at a small size', () => {
    let page: Page;
    let problems: readonly string[];
    beforeAll(async () => {
      ({ page, problems } = await newPage('./', { ...wide, permissions: ['camera'] }));
      await page.getByText('Ready').waitFor();
      await smallSide(page);
    });
    afterAll(async () => {
      expect(problems).toEqual([]);
      await page.close();
    });

    /** By the name under which it is saved: the status may be that of an earlier picture. */
    const expectResultOf = (name: string) => {
      const nameOfResult = async () => {
        const [json] = await Promise.all([
          page.waitForEvent('download'),
          page.locator('#json').click(),
        ]);
        return json.suggestedFilename();
      };
      return expect.poll(nameOfResult, { timeout: 60_000 }).toBe(`${name}.json`);
    };

    // First, so that what follows needs no shaders for reading either.
    it('detects only, with dropped weights that can’t read', async () => {
      await page.locator('#file').setInputFiles({
        name: 'detector.safetensors',
        mimeType: 'application/octet-stream',
        buffer: Buffer.from(packagedDetectorFile()),
      });
      await page.getByLabel('Words').waitFor({ state: 'hidden' });
      // The settings are those of the new weights.
      await smallSide(page);
      const buffer = Buffer.from(encodePng(await signImage()));
      await page.locator('#file').setInputFiles({ name: 'a.png', mimeType: 'image/png', buffer });
      await expectResultOf('a');
      expect(await page.locator('#list li').count()).toBeGreaterThan(3);
      expect(await page.locator('#list .word, #regions text').count()).toBe(0);
      expect(await page.locator('#copy').isDisabled()).toBe(true);
      expect(await page.locator('#times').textContent()).not.toContain('reading');
    });

    it('takes pictures that are dropped and pasted', async () => {
      const picture = [...readFileSync(new URL('orientation-6.jpg', images))];
      for (const kind of ['drop', 'paste'] as const) {
        await page.evaluate(
          ([content, type]) => {
            const files = new DataTransfer();
            files.items.add(
              new File([new Uint8Array(content)], `${type}.jpg`, { type: 'image/jpeg' }),
            );
            const settings = { bubbles: true, cancelable: true };
            document.body.dispatchEvent(
              type === 'drop'
                ? new DragEvent(type, { ...settings, dataTransfer: files })
                : new ClipboardEvent(type, { ...settings, clipboardData: files }),
            );
          },
          [picture, kind] as const,
        );
        await expectResultOf(kind);
      }
    });

    it('looks at what the camera shows, until it is switched off', async () => {
      await page.locator('#camera').click();
      await expectResultOf('camera');
      await page.locator('#camera').click();
      expect(await page.locator('#camera').getAttribute('aria-pressed')).toBe('false');
      const whatIsShown = () =>
        page.evaluate(() => [
          document.querySelector('#status')!.textContent,
          document.querySelector<HTMLCanvasElement>('#image')!.toDataURL(),
        ]);
      const last = await whatIsShown();
      // A map is made in its turn: by then a frame under way has been looked at.
      await page.getByText('Text', { exact: true }).click();
      await page.locator('#map').waitFor();
      expect(await whatIsShown()).toEqual(last);
      await page.getByText('Picture', { exact: true }).click();
      expect(await page.getByRole('alert').isVisible()).toBe(false);
    });
  });
});

/** A size that SwiftShader is soon done with. */
async function smallSide(page: Page): Promise<void> {
  await page.evaluate(() =>
    document.querySelector<HTMLSelectElement>('#shortSide')!.add(new Option('64')),
  );
  await page.locator('#shortSide').selectOption('64');
}

/**
 * The demo page with a library that needs no GPU. It finds `stub.found`, else one word that names
 * the weights and the picture's width; a map is as wide as the picture, one pixel wider with
 * weights that were dropped.
 */
async function openStubbed(page: Page): Promise<void> {
  await page.route('**/dist/browser.js', (route) =>
    route.fulfill({
      contentType: 'text/javascript',
      body: `
        export { imageFrom } from './browser.js?whole';
        const failure = (code, message) =>
          Object.assign(new Error(message), { name: 'PanppError', code });
        globalThis.stub = {
          calls: 0,
          devices: 0,
          tracks: [],
          hold() {
            stub.gate = Promise.withResolvers();
          },
          letGo() {
            stub.gate.resolve();
            stub.gate = undefined;
          },
        };
        export async function requestGpu() {
          const { promise, reject } = Promise.withResolvers();
          promise.catch(() => {});
          stub.devices++;
          const dispose = () => {
            stub.devices--;
            reject(failure('disposed', 'this Gpu was disposed of'));
          };
          return { profile: { adapter: 'none' }, dispose, disposed: promise };
        }
        export const loadWeights = async (source) =>
          source instanceof URL ? 'packaged' : new TextDecoder().decode(source);
        export async function loadModel(gpu, weights) {
          if (weights === 'damaged') throw failure('weights', 'these weights are damaged');
          const call = (work) => (image) => {
            stub.calls++;
            return Promise.race([gpu.disposed, Promise.resolve(stub.gate?.promise).then(() => work(image))]);
          };
          const box = { left: 0, top: 40, right: 80, bottom: 60 };
          const polygon = [[0, 40], [80, 40], [80, 60], [0, 60]];
          return {
            config: { detection: { shortSide: 736, bbox: 'rect', minScore: 0.85 }, recognition: {} },
            spot: call(({ width, height }) => {
              const word = { text: weights + ' ' + width, score: 1, textScore: 1, box, polygon };
              return { width, height, regions: stub.found ?? [word], timings: { total: 1 } };
            }),
            forward: call(({ width }) => {
              const size = weights === 'packaged' ? width : width + 1;
              return new Map([['det', { shape: [6, 1, size], data: new Float32Array(6 * size) }]]);
            }),
            dispose() {},
          };
        }
      `,
    }),
  );
  await page.goto(new URL('./', page.url()).href);
  await page.getByText('Ready').waitFor();
}

async function openBlank(page: Page, name: string, width: number, height: number): Promise<void> {
  const data = new Uint8Array(3 * width * height);
  const buffer = Buffer.from(encodePng({ width, height, channels: 3, data }));
  await page.locator('#file').setInputFiles({ name, mimeType: 'image/png', buffer });
}

/** Set in the page. */
declare const stub: {
  found?: unknown[];
  /** What calls wait for that begin while it is set. */
  gate?: { promise: Promise<void>; resolve: () => void };
  calls: number;
  /** That are open. */
  devices: number;
  /** Of the camera. */
  tracks: MediaStreamTrack[];
  hold(): void;
  letGo(): void;
};
