// A service in this process, for tests: its address, its log, and engines that need no GPU.
import { onTestFinished } from 'vitest';
import { detectionPresets, resnet18, vocabularies } from '../../src/network/config.js';
import type { ModelConfig } from '../../src/network/config.js';
import type { Detection, Spotting } from '../../src/model/options.js';
import { Service, type ServiceOptions } from '../../src/serve/service.js';
import type { TextEngine, TextModel } from '../../src/serve/text-finder.js';

export const detecting: ModelConfig = {
  backbone: resnet18,
  neck: { fpems: 2, fusion: 'pan++' },
  detection: detectionPresets.icdar2015,
};
export const reading: ModelConfig = {
  ...detecting,
  recognition: { vocabulary: vocabularies.lowercase },
};

const timings = { upload: 1, setup: 0, regions: 1, total: 3 };
const region = {
  polygon: [
    [1, 1],
    [5, 1],
    [5, 3],
    [1, 3],
  ] as [number, number][],
  box: { left: 1, top: 1, right: 6, bottom: 4 },
  mapBox: { left: 0, top: 0, right: 1, bottom: 1 },
  score: 0.95,
  area: 8,
  label: 1,
};

/** A result with one region. */
export const foundIn = ({ width, height }: { width: number; height: number }): Detection => ({
  width,
  height,
  timings,
  regions: [region],
});

/** A result with one word. */
export const readIn = (size: { width: number; height: number }): Spotting => {
  const { regions, ...rest } = foundIn(size);
  return {
    ...rest,
    timings: { ...timings, reading: 1 },
    regions: regions.map((found) => ({ ...found, text: 'OPEN', textScore: 0.9 })),
  };
};

/** An engine without a GPU, with a model that does what it is told. */
export class FakeEngine implements TextEngine {
  readonly #model: TextModel;
  ready: { readonly model: TextModel } | undefined;
  losses = 0;
  recoveries = 0;

  constructor(model: Partial<TextModel> = {}) {
    this.#model = {
      memory: { weights: 1000, programs: 200 },
      detect: async (image) => foundIn(image),
      detectBatch: async (images) => {
        const all = images.map((image) => foundIn(image));
        return { ...all[0], regions: all.map(({ regions }) => regions) };
      },
      spot: async (image) => readIn(image),
      ...model,
    };
    this.ready = { model: this.#model };
  }

  recover(): void {
    this.recoveries++;
    this.ready = { model: this.#model };
  }

  run<T>(work: (model: TextModel) => Promise<T>): Promise<T> {
    return work(this.#model);
  }
}

/** A running service. */
export interface Serving {
  readonly service: Service;
  readonly url: string;
  /** The lines of the log. */
  readonly log: readonly Record<string, unknown>[];
}

/** Starts a service; it ends with the test, or with `stop`. */
export async function serving(
  engine: TextEngine = new FakeEngine(),
  options: Partial<ServiceOptions> = {},
  host = '127.0.0.1',
): Promise<Serving> {
  const log: Record<string, unknown>[] = [];
  const service = await Service.create(engine, {
    config: detecting,
    version: '1.2.3',
    maxBytes: 100_000,
    maxPixels: 2 ** 20,
    timeout: 60_000,
    maxRequests: 16,
    batchWait: 0,
    batchSize: 8,
    log: {
      level: 'debug',
      stream: { write: (line) => void log.push(JSON.parse(line) as Record<string, unknown>) },
    },
    ...options,
  });
  const url = await service.listen(host, 0);
  return { service, url, log };
}

/** As `serving`, for one test. */
export async function servingHere(...given: Parameters<typeof serving>): Promise<Serving> {
  const started = await serving(...given);
  onTestFinished(async () => void (await started.service.stop(0)));
  return started;
}

/** A request with an image as its body. */
export function raw(bytes: Uint8Array, headers: Record<string, string> = {}): RequestInit {
  return {
    method: 'POST',
    body: bytes as Uint8Array<ArrayBuffer>,
    headers: { 'content-type': 'image/png', ...headers },
  };
}

/** A request with an image as a form's file, and other parts. */
export function form(
  bytes: Uint8Array,
  parts: Record<string, string> = {},
  name = 'a.png',
): RequestInit {
  const body = new FormData();
  body.set('image', new Blob([bytes as Uint8Array<ArrayBuffer>]), name);
  for (const [part, text] of Object.entries(parts)) body.set(part, text);
  return { method: 'POST', body };
}

/** The value of a metric's line, labels included. */
export async function metric(url: string, line: string): Promise<number | undefined> {
  const text = await (await fetch(`${url}/metrics`)).text();
  const found = text.split('\n').find((other) => other.startsWith(`${line} `));
  return found === undefined ? undefined : Number(found.slice(line.length + 1));
}
