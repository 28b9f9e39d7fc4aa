// A service in a process of its own: `panpp serve` as users start it, or the stand-in.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { projectFile } from '../paths.js';

export interface StartedService {
  readonly url: string;
  /** The values of the metrics, by name with labels. */
  metrics(): Promise<ReadonlyMap<string, number>>;
  /** Ends it as SIGTERM does. */
  end(): Promise<void>;
}

/** Starts `panpp serve` on a free port. */
export function startPanpp(args: readonly string[]): Promise<StartedService> {
  return started([projectFile('dist/cli.js'), 'serve', '--port', '0', ...args]);
}

/** Starts the service with an engine that only waits (stand-in.ts). */
export function startStandIn({ milliseconds = 0, queue = 16 } = {}): Promise<StartedService> {
  return started([projectFile('bench/dist/serve-stand-in.js'), `${milliseconds}`, `${queue}`]);
}

async function started(args: readonly string[]): Promise<StartedService> {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  const url = await addressOf(child);
  return {
    url,
    metrics: async () => parsed(await (await fetch(`${url}/metrics`)).text()),
    async end() {
      child.kill('SIGTERM');
      await once(child, 'exit');
    },
  };
}

async function addressOf(child: ChildProcess): Promise<string> {
  let said = '';
  child.stderr!.setEncoding('utf8');
  for await (const text of child.stderr!.iterator({ destroyOnReturn: false })) {
    said += text as string;
    const [, address] = /^panpp: listening on (\S+)$/m.exec(said) ?? [];
    if (address === undefined) continue;
    child.stderr!.resume();
    return address;
  }
  throw new Error(`the service ended: ${said}`);
}

/** Prometheus' text format. */
function parsed(text: string): ReadonlyMap<string, number> {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('#'));
  return new Map(
    lines.map((line) => {
      const at = line.lastIndexOf(' ');
      return [line.slice(0, at), Number(line.slice(at + 1))];
    }),
  );
}
