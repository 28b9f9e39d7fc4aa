import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Engine, type Loaded, openEngine, readWeightsBytes } from '../../src/cli/engine.js';
import { processFiles } from '../../src/cli/image-files.js';
import { PanppError } from '../../src/errors.js';
import { encodePng } from '../../src/images/encode.js';
import type { Model } from '../../src/model/model.js';
import { plainImage } from '../support/picture.js';

let said: string[];
beforeEach(() => {
  said = [];
  vi.spyOn(process.stderr, 'write').mockImplementation((chunk) => {
    said.push(String(chunk));
    return true;
  });
});
afterEach(() => vi.restoreAllMocks());

/** Devices in the order of their opening; none of them does anything but be disposed of. */
function engineOf(open?: () => Promise<void>) {
  const disposed: string[] = [];
  const gone = new Set<string>();
  let opened = 0;
  const next = (): Loaded => {
    const name = `device ${++opened}`;
    const disposable = (what: string) => ({
      dispose: () => disposed.push(`${what} ${name}`),
      assertUsable: () => void (gone.has(name) && lost()),
      name,
    });
    return { gpu: disposable('gpu of'), model: disposable('model on') } as unknown as Loaded;
  };
  const engine = new Engine(next(), async () => {
    await open?.();
    return next();
  });
  return { engine, disposed, lose: (name: string) => gone.add(name) };
}
const nameOf = (model: Model) => (model as unknown as { name: string }).name;
const lost = () => {
  throw new PanppError('device-lost', 'the GPU device was lost (unplugged); open it and load it');
};

it('a run ends when no device can be opened any more', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'panpp-engine-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'a.png');
  writeFileSync(path, encodePng(plainImage(8)));
  const gone = new PanppError('adapter', 'no WebGPU adapter was found');
  const outcomes = processFiles([{ path }, { path }], () => Promise.reject(gone));
  await expect(outcomes[Symbol.asyncIterator]().next()).rejects.toBe(gone);
});

describe('an engine', () => {
  it('does what was under way again on one fresh device, and says so once', async () => {
    const { engine, disposed } = engineOf();
    const work = (result: string) =>
      engine.run(async (model) => (nameOf(model) === 'device 1' ? lost() : result + nameOf(model)));
    expect(await Promise.all([work('a, '), work('b, '), work('c, ')])).toEqual([
      ...['a, device 2', 'b, device 2', 'c, device 2'],
    ]);
    expect(await engine.run(async (model) => nameOf(model))).toBe('device 2');
    expect(said).toEqual([
      'panpp: the GPU device was lost (unplugged); continuing on a fresh one\n',
    ]);
    await engine.dispose();
    expect(disposed).toEqual([
      ...['model on device 1', 'gpu of device 1', 'model on device 2', 'gpu of device 2'],
    ]);
  });

  it('goes on after each loss, but not after two at one image', async () => {
    const { engine } = engineOf();
    const loseFirst = (name: string) =>
      engine.run(async (model) => (nameOf(model) === name ? lost() : nameOf(model)));
    expect(await loseFirst('device 1')).toBe('device 2');
    expect(await loseFirst('device 2')).toBe('device 3');
    await expect(engine.run(async () => lost())).rejects.toMatchObject({ code: 'device-lost' });
    expect(said).toHaveLength(3);
  });

  it('ends with the error if no device can be opened', async () => {
    const { engine } = engineOf(async () => {
      throw new PanppError('adapter', 'there is none left');
    });
    await expect(engine.run(async () => lost())).rejects.toThrow('there is none left');
    await engine.dispose();
  });

  it('tries again to open a device when the next work comes', async () => {
    let attempts = 0;
    const { engine } = engineOf(async () => {
      if (++attempts < 3) throw new PanppError('adapter', 'there is none yet');
    });
    const losing = (model: Model) =>
      nameOf(model) === 'device 1' ? lost() : Promise.resolve(nameOf(model));
    await expect(engine.run(losing)).rejects.toThrow('there is none yet');
    expect(engine.ready).toBeUndefined();
    await expect(engine.run(losing)).rejects.toThrow('there is none yet');
    expect(await engine.run(losing)).toBe('device 2');
    expect({ attempts, losses: engine.losses }).toEqual({ attempts: 3, losses: 1 });
    expect(nameOf(engine.ready!.model)).toBe('device 2');
  });

  it('recovers when it is asked to, and frees what is lost once it is unused', async () => {
    const { engine, disposed, lose } = engineOf();
    expect(engine.ready).toBeDefined();
    engine.recover();
    let end!: () => void;
    const slow = engine.run(() => new Promise<void>((resolve) => (end = resolve)));
    lose('device 1');
    expect(engine.ready).toBeUndefined();
    engine.recover();
    engine.recover();
    await vi.waitFor(() => expect(nameOf(engine.ready!.model)).toBe('device 2'));
    expect({ disposed, losses: engine.losses }).toEqual({ disposed: [], losses: 1 });
    end();
    await slow;
    await vi.waitFor(() => expect(disposed).toEqual(['model on device 1', 'gpu of device 1']));
    expect(said).toHaveLength(1);
  });

  it('leaves other errors alone', async () => {
    const { engine } = engineOf();
    const failing = engine.run(async () => {
      throw new PanppError('image', 'too large');
    });
    await expect(failing).rejects.toThrow('too large');
    expect(said).toEqual([]);
  });

  it('finds the same on the fresh device', async () => {
    const options = { adapter: 'swiftshader' };
    const engine = await openEngine(options, await readWeightsBytes(options));
    let runs = 0;
    const { regions } = await engine.run(async (model) => {
      const detecting = model.detect(plainImage(64), { shortSide: 64 });
      if (runs++ === 0) model.gpu.device.destroy();
      return detecting;
    });
    expect({ regions, runs }).toEqual({ regions: [], runs: 2 });
    await engine.dispose();
    expect(said.filter(Boolean)).toEqual([
      expect.stringMatching(/^panpp: .* computes on the CPU; /),
      expect.stringMatching(/^panpp: the GPU device was lost \(.+\); continuing on a fresh one\n$/),
    ]);
  });
});
