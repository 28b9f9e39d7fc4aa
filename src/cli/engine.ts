// What every command that computes needs: a GPU, a model, and a notice about the adapter.
import { Option, type Command } from 'commander';
import type { Model } from '../model/model.js';
import { loadModel } from '../model/load.js';
import { PanppError } from '../errors.js';
import type { Gpu, GpuProfile } from '../gpu/context.js';
import { loadDecoder } from '../images/decode.js';
import { type ModelConfig, recognitionOf } from '../network/config.js';
import { readWeights } from '../network/weights-file.js';
import { openGpu, packagedWeights } from '../node.js';
import { LAVAPIPE_PACKAGES, parseToggles } from '../node/adapters.js';
import { readTuning, tuningPath } from '../node/tuning-cache.js';
import type { Tuning } from '../tuning/tuning.js';
import type { PrecisionChoice } from '../layers/precision.js';
import { withoutDawnNotices } from './dawn-notices.js';
import { readBytes } from './files.js';
import { errorLine, say } from './report.js';

export interface ModelOptions {
  readonly weights?: string;
  readonly adapter?: string;
  readonly precision?: PrecisionChoice;
  readonly toggles?: string;
}

export interface EngineOptions extends ModelOptions {
  readonly tuning?: string;
}

/** Adds `--weights`, `--adapter`, `--precision`, `--toggles` and `--tuning`. */
export function withEngineOptions(command: Command): Command {
  return withModelOptions(command).addOption(
    new Option(
      '--tuning <file>',
      'tuning file from `panpp tune`, or none (default: the adapter’s file in your cache folder, if there is one)',
    ),
  );
}

export function weightsOption(): Option {
  return new Option(
    '--weights <file>',
    'weights made by `panpp convert` (default: those of the package)',
  );
}

/** Adds `--weights`, `--adapter`, `--precision` and `--toggles`. */
export function withModelOptions(command: Command): Command {
  return command
    .addOption(weightsOption())
    .addOption(
      new Option(
        '--adapter <name>',
        'part of a GPU adapter’s name, or hardware, software, lavapipe, swiftshader',
      ),
    )
    .addOption(
      new Option(
        '--precision <bits>',
        'how maps and weights are stored (default: f32); auto: f16 if the GPU supports it',
      ).choices(['f32', 'f16', 'auto']),
    )
    .addOption(
      new Option(
        '--toggles <names>',
        'Dawn toggles, separated by commas; a leading minus switches one off, such as --toggles=-disable_robustness',
      ),
    );
}

/** A weights file's bytes. */
export interface WeightsBytes {
  readonly path: string;
  readonly bytes: Uint8Array;
}

/** A weights file that can do a task. */
export interface TaskWeights extends WeightsBytes {
  readonly config: ModelConfig;
}

/** What a command does with images; reading includes detection. */
export type Task = 'detect' | 'spot';

/**
 * Reads the weights that the options name, or the package's.
 * @throws PanppError `file`
 */
export async function readWeightsBytes({
  weights: path = packagedWeights(),
}: ModelOptions): Promise<WeightsBytes> {
  return { path, bytes: await readBytes(path) };
}

/**
 * Reads the weights for a task, and what they hold.
 * @throws PanppError `file`, `checkpoint`, or `weights`, also for weights that can't do the task
 */
export async function readWeightsFor(task: Task, options: ModelOptions): Promise<TaskWeights> {
  const { path, bytes } = await readWeightsBytes(options);
  const { config } = await asWeights(() => readWeights(bytes, path));
  if (task === 'spot') recognitionOf(config, path);
  return { path, bytes, config };
}

/** A model on its GPU. */
export interface Loaded {
  readonly gpu: Gpu;
  readonly model: Model;
}

/** One loading of the model. */
interface Loading {
  readonly loaded: Promise<Loaded>;
  /** Set once it has succeeded. */
  ready?: Loaded;
  hasFailed: boolean;
  /** Calls that use it. */
  users: number;
}

/** A model that is loaded again, on a fresh device, when its device is lost. */
export class Engine {
  readonly #reload: () => Promise<Loaded>;
  readonly #report: (message: string) => void;
  #current: Loading;
  #losses = 0;

  /** @param report gets a line when a device is lost */
  constructor(
    first: Loaded,
    reload: () => Promise<Loaded>,
    report: (message: string) => void = say,
  ) {
    this.#reload = reload;
    this.#report = report;
    this.#current = begun(Promise.resolve(first));
    this.#current.ready = first;
  }

  /** The model, unless it is being loaded or its device is lost. */
  get ready(): Loaded | undefined {
    return this.#loss() === undefined ? this.#current.ready : undefined;
  }

  /** Number of devices lost so far. */
  get losses(): number {
    return this.#losses;
  }

  /** Begins to load the model on a fresh device if the last one is lost or could not be opened. */
  recover(): void {
    const loss = this.#loss();
    if (loss) this.#replace(this.#current, loss);
    else if (this.#current.hasFailed) this.#current = begun(this.#reload());
  }

  /**
   * Runs work on the model. If the device is lost meanwhile, a line on stderr says so and the work
   * is repeated on a fresh device.
   * @throws PanppError `device-lost` if that one is lost too
   */
  async run<T>(work: (model: Model) => Promise<T>): Promise<T> {
    if (this.#current.hasFailed) this.#current = begun(this.#reload());
    const used = this.#current;
    try {
      return await this.#runOn(used, work);
    } catch (error) {
      if (!isDeviceLoss(error)) throw error;
      this.#replace(used, error);
      return this.#runOn(this.#current, work);
    }
  }

  async dispose(): Promise<void> {
    await disposeOf(this.#current);
  }

  async #runOn<T>(loading: Loading, work: (model: Model) => Promise<T>): Promise<T> {
    loading.users++;
    try {
      return await work((await loading.loaded).model);
    } finally {
      loading.users--;
      this.#disposeIfUnused(loading);
    }
  }

  // Calls that overlap lose the device together.
  #replace(lost: Loading, { message }: PanppError): void {
    if (this.#current !== lost) return;
    this.#losses++;
    this.#report(`panpp: ${message.split(';')[0]}; continuing on a fresh one`);
    this.#current = begun(this.#reload());
    this.#disposeIfUnused(lost);
  }

  // Not before, because calls on a lost device must end with `device-lost`.
  #disposeIfUnused(loading: Loading): void {
    if (loading !== this.#current && loading.users === 0) void disposeOf(loading);
  }

  #loss(): PanppError | undefined {
    try {
      this.#current.ready?.gpu.assertUsable();
    } catch (error) {
      if (isDeviceLoss(error)) return error;
    }
    return undefined;
  }
}

function begun(loaded: Promise<Loaded>): Loading {
  const loading: Loading = { loaded, hasFailed: false, users: 0 };
  loaded.then(
    (ready) => (loading.ready = ready),
    () => (loading.hasFailed = true),
  );
  return loading;
}

async function disposeOf({ loaded }: Loading): Promise<void> {
  // A failure was reported by `run`.
  const ready = await loaded.catch(() => undefined);
  ready?.model.dispose();
  ready?.gpu.dispose();
}

function isDeviceLoss(error: unknown): error is PanppError {
  return error instanceof PanppError && error.code === 'device-lost';
}

/**
 * Opens the adapter and loads the weights, and the decoder of the images that are to come; a
 * software adapter gets one line on stderr.
 * @param report gets a line when the device is lost; default: it goes to stderr
 */
export async function openEngine(
  options: EngineOptions,
  weights: WeightsBytes,
  report?: (message: string) => void,
): Promise<Engine> {
  const gpu = await openAdapter(options);
  await loadDecoder();
  const { tuning, from } = await findTuning(options, gpu);
  const load = async (on: Gpu): Promise<Loaded> => ({
    gpu: on,
    model: await asWeights(() =>
      loadModel(on, weights.bytes, { source: weights.path, precision: options.precision, tuning }),
    ),
  });
  const first = await load(gpu);
  const { model } = first;
  if (model.tuning === 'other-adapter')
    say(
      `panpp: ${from} was made for ${tuning!.adapter}, not for this adapter, and is not used; make one with panpp tune`,
    );
  if (model.tuning === 'other-shaders')
    say(
      `panpp: ${from} was made by another version of panpp and is not used; make a new one with panpp tune`,
    );
  // The fresh device may be of a slower adapter, which is announced like the first.
  const open = gpu.profile.software ? openQuietly : openAdapter;
  return new Engine(first, async () => load(await open(options)), report);
}

/** Opens the adapter; a software adapter gets one line on stderr. */
export async function openAdapter(options: ModelOptions): Promise<Gpu> {
  const gpu = await openQuietly(options);
  if (gpu.profile.software)
    say(
      `panpp: ${gpu.profile.adapter} computes on the CPU; ${fasterThan(gpu.profile)} (see panpp doctor)`,
    );
  return gpu;
}

async function openQuietly({ adapter, toggles = '' }: ModelOptions): Promise<Gpu> {
  return withoutDawnNotices(() => openGpu({ adapter, ...parseToggles(toggles) }));
}

function fasterThan({ architecture }: GpuProfile): string {
  const gpu = 'a GPU with its driver is many times as fast';
  return architecture === 'swiftshader' && process.platform === 'linux'
    ? `${LAVAPIPE_PACKAGES} is about 3 times as fast, ${gpu}`
    : gpu;
}

// A named file must exist and be valid; a bad one in the cache must not stop the command.
async function findTuning(
  { tuning: wanted }: EngineOptions,
  { profile }: Gpu,
): Promise<{ tuning?: Tuning; from?: string }> {
  if (wanted === 'none') return {};
  const from = wanted ?? tuningPath(profile);
  if (from === undefined) return {};
  try {
    const tuning = await readTuning(from);
    if (wanted !== undefined && !tuning)
      throw new PanppError('file', `${from}: no such file or folder`);
    return { tuning, from };
  } catch (error) {
    if (!(error instanceof PanppError) || wanted !== undefined) throw error;
    say(`panpp: ${errorLine(error)}; continuing without it`);
    return {};
  }
}

// Users often pass the downloaded checkpoint instead of a weights file.
export async function asWeights<T>(read: () => T | Promise<T>): Promise<T> {
  try {
    return await read();
  } catch (error) {
    if (!(error instanceof PanppError) || error.code !== 'checkpoint') throw error;
    throw new PanppError(error.code, `${error.message}; weights files are made by panpp convert`, {
      cause: error,
    });
  }
}
