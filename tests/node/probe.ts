// Runs in a process of its own: does what the JSON in the first argument says and prints one JSON
// line.
import { PanppError } from '../../src/errors.js';
import { type AdapterOptions, eachAdapter, findAdapter } from '../../src/node/adapters.js';
import { type Diagnosis, diagnose } from '../../src/node/doctor.js';
import { SHARE_ENV, Worker, isMainThread, workerData } from 'node:worker_threads';

export interface ProbeTask {
  readonly find?: AdapterOptions;
  readonly list?: boolean;
  readonly doctor?: boolean;
  /** Does the task in a worker thread. */
  readonly worker?: 'shared environment' | 'own environment';
}

export interface ProbeResult {
  readonly description?: string;
  readonly software?: boolean;
  readonly embedded?: boolean;
  readonly f16?: boolean;
  /** Bytes that went through the GPU. */
  readonly echo?: number[];
  readonly all?: { description: string; software: boolean; embedded: boolean }[];
  readonly diagnosis?: Diagnosis;
  readonly error?: { code: string; message: string };
  /** VK_DRIVER_FILES afterwards. */
  readonly driverFiles?: string;
}

/** There with Node's --expose-gc. */
const { gc } = globalThis as { gc?: () => void };

async function perform({ find, list, doctor }: ProbeTask): Promise<ProbeResult> {
  if (list) {
    const all = [];
    for await (const { description, software, embedded } of eachAdapter())
      all.push({ description, software, embedded });
    return { all };
  }
  if (doctor) return { diagnosis: await diagnose() };
  const { device, ...facts } = await openDevice(find);
  for (let i = 0; gc && i < 5; i++) {
    gc();
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
  const echo = await echoBytes(device, [1, 2, 3, 4]);
  device.destroy();
  return { ...facts, echo };
}

/** Keeps nothing of what was found but the device, as a careless caller might. */
async function openDevice(options: AdapterOptions | undefined) {
  const { adapter, description, software, embedded } = await findAdapter(options);
  const f16 = adapter.features.has('shader-f16');
  return { device: await adapter.requestDevice(), description, software, embedded, f16 };
}

async function echoBytes(device: GPUDevice, bytes: number[]): Promise<number[]> {
  const [mapRead, copyDestination] = [1, 8]; // GPUBufferUsage, which Node has no globals for
  const buffer = device.createBuffer({ size: bytes.length, usage: mapRead | copyDestination });
  device.queue.writeBuffer(buffer, 0, new Uint8Array(bytes));
  await buffer.mapAsync(1);
  const result = [...new Uint8Array(buffer.getMappedRange())];
  buffer.unmap();
  return result;
}

async function report(task: ProbeTask): Promise<void> {
  let result: ProbeResult;
  try {
    result = await perform(task);
  } catch (error) {
    if (!(error instanceof PanppError)) throw error;
    result = { error: { code: error.code, message: error.message } };
  }
  console.log(JSON.stringify({ ...result, driverFiles: process.env.VK_DRIVER_FILES }));
}

const task = (isMainThread ? JSON.parse(process.argv[2]) : workerData) as ProbeTask;
if (isMainThread && task.worker) {
  const env = task.worker === 'shared environment' ? SHARE_ENV : undefined;
  new Worker(new URL(import.meta.url), { workerData: task, env });
} else {
  await report(task);
}
