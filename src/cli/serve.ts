// panpp serve: detection and reading as an HTTP service. The service itself (src/serve) is loaded only
// when it is started.
import { type Command, Option } from 'commander';
import { PanppError } from '../errors.js';
import { checkExposure, checkToken } from '../serve/access.js';
import { type EngineOptions, openEngine, readWeightsFor, withEngineOptions } from './engine.js';
import { readBytes } from './files.js';
import { onInterrupt } from './interrupt.js';
import { errorLine, exitCodes, say } from './report.js';
import { exiting, integerBetween, numberBetween } from './usage.js';
import { packageVersion } from './version.js';

interface ServeFlags extends EngineOptions {
  readonly host: string;
  readonly port: number;
  readonly tokenFile?: string;
  readonly maxBytes: number;
  readonly maxPixels: number;
  readonly timeout: number;
  readonly queue: number;
  readonly batchWait: number;
  readonly batchSize: number;
  readonly grace: number;
  readonly logLevel: string;
}

const levels = ['debug', 'info', 'warn', 'error', 'silent'];

export function addServe(program: Command): void {
  const command = program
    .command('serve')
    .summary('find and read the text in images that come over HTTP')
    .description(
      'Serves POST /v1/detect and /v1/spot, /healthz, /readyz, /metrics and /openapi.json (docs/serve.md). ' +
        'Logs are JSON lines on stdout. Without a token it listens only to this machine; a token comes from ' +
        '--token-file or the variable PANPP_TOKEN. SIGTERM or Ctrl-C ends it once the requests under way are answered.',
    )
    .addOption(new Option('--host <address>', 'address to listen on').default('127.0.0.1'))
    .addOption(numeric('--port <number>', 'port to listen on; 0: any free one', 8321, [0, 65535]))
    .addOption(
      new Option('--token-file <file>', 'file with the bearer token that requests must bring'),
    )
    .addOption(numeric('--max-bytes <bytes>', 'largest file of an image', 2 ** 25, [1, 2 ** 30]))
    .addOption(
      numeric('--max-pixels <pixels>', 'largest image, before and after resizing', 2 ** 25, [
        1,
        2 ** 28,
      ]),
    )
    .addOption(
      new Option('--timeout <seconds>', 'longest time from a request to its answer')
        .default(60)
        .argParser(numberBetween(0.001, 86_400)),
    )
    .addOption(
      numeric(
        '--queue <requests>',
        'requests that are read, wait or are worked on; others get 503',
        16,
        [1, 10_000],
      ),
    )
    .addOption(
      new Option(
        '--batch-wait <milliseconds>',
        'how long a detection waits for others on their way, of the same size and settings, to run as one batch; 0: not at all',
      )
        .default(5)
        .argParser(numberBetween(0, 10_000)),
    )
    .addOption(numeric('--batch-size <images>', 'most images in a batch', 8, [1, 64]))
    .addOption(
      new Option('--grace <seconds>', 'after SIGTERM: time to answer the requests under way')
        .default(30)
        .argParser(numberBetween(0, 86_400)),
    )
    .addOption(
      new Option('--log-level <level>', 'which lines are logged').default('info').choices(levels),
    );
  withEngineOptions(command).action(exiting(serve));
}

function numeric(
  flag: string,
  what: string,
  value: number,
  [least, most]: [number, number],
): Option {
  return new Option(flag, what).default(value).argParser(integerBetween(least, most));
}

async function serve(flags: ServeFlags): Promise<number> {
  const token = await tokenOf(flags);
  checkExposure(flags.host, token);
  const { Service } = await import('../serve/service.js');
  // Before the model's load, which takes seconds.
  await listening(flags, ({ host, port }) => Service.tryToListen(host, port));
  const weights = await readWeightsFor('detect', flags);
  let warn = say;
  const engine = await openEngine(flags, weights, (message) => warn(message));
  const service = await Service.create(engine, {
    config: weights.config,
    version: packageVersion(),
    token,
    maxBytes: flags.maxBytes,
    maxPixels: flags.maxPixels,
    timeout: Math.ceil(flags.timeout * 1000),
    maxRequests: flags.queue,
    batchWait: flags.batchWait,
    batchSize: flags.batchSize,
    log: { level: flags.logLevel, stream: process.stdout },
  });
  warn = (message) => service.warn(message);
  const address = await listening(flags, ({ host, port }) => service.listen(host, port));
  // The process lives as long as the service listens.
  onInterrupt(async () => {
    const wereAnswered = await service.stop(flags.grace * 1000);
    await engine.dispose();
    return wereAnswered ? exitCodes.done : exitCodes.someFailed;
  });
  say(`panpp: listening on ${address}`);
  return exitCodes.done;
}

type Address = Pick<ServeFlags, 'host' | 'port'>;

/**
 * Does work that listens on an address.
 * @throws PanppError `argument` if it can't
 */
async function listening<T>(on: Address, work: (on: Address) => Promise<T>): Promise<T> {
  try {
    return await work(on);
  } catch (cause) {
    const reason = errorLine(cause);
    throw new PanppError(
      'argument',
      `can't listen on port ${on.port} of ${on.host} (${reason}); choose another --port or --host`,
      { cause },
    );
  }
}

/** A token in an option would be seen in the list of processes. */
async function tokenOf({ tokenFile }: ServeFlags): Promise<string | undefined> {
  const variable = process.env.PANPP_TOKEN;
  if (tokenFile === undefined && variable === undefined) return undefined;
  const token =
    tokenFile === undefined
      ? variable!
      : new TextDecoder().decode(await readBytes(tokenFile)).replace(/\r?\n$/, '');
  checkToken(token, tokenFile ?? 'PANPP_TOKEN');
  return token;
}
