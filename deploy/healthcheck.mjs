// Whether the container is well: `panpp serve` must answer; another command is well as long as it
// runs, for its container ends with it.
import { readFileSync } from 'node:fs';

/** Linux lists a process's arguments here; the container's own command has the number 1. */
const [, , commandFile = '/proc/1/cmdline'] = process.argv;
const args = readFileSync(commandFile, 'utf8').split('\0').slice(0, -1);

if (args.includes('serve')) {
  const port = valueOf('--port') ?? '8321';
  const answer = await fetch(`http://127.0.0.1:${port}/healthz`, {
    signal: AbortSignal.timeout(4000),
  }).catch(() => undefined);
  process.exit(answer?.ok ? 0 : 1);
}

/** The value of an option, given as `--name value` or `--name=value`. */
function valueOf(name) {
  const at = args.indexOf(name);
  if (at >= 0) return args[at + 1];
  return args.find((arg) => arg.startsWith(`${name}=`))?.slice(name.length + 1);
}
