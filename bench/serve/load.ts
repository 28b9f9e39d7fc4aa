// Load on a service by autocannon, with every answer kept.
import autocannon from 'autocannon';
import type { StartedService } from './service.js';

/** An image's file. */
export interface Picture {
  readonly mediaType: string;
  readonly bytes: Buffer;
}

/** An answer. */
export interface Answer {
  readonly status: number;
  /** Milliseconds from the request to the end of its answer, for the client. */
  readonly latency: number;
  /** Milliseconds of the model's call, which may have been of a batch; only of results. */
  readonly engine?: number;
}

export interface LoadOptions {
  readonly query: string;
  /** Sent in turn, by each connection. */
  readonly pictures: readonly Picture[];
  /** Each sends its next request when it has the last one's answer. */
  readonly connections: number;
  /** How many requests are sent. */
  readonly requests?: number;
  /** For how long requests are sent, unless their number is given. */
  readonly seconds?: number;
  /** Most requests of a connection in a second. */
  readonly rate?: number;
}

export interface Loaded {
  readonly answers: readonly Answer[];
  readonly seconds: number;
}

/** @throws Error if a request has no answer */
export async function load(
  { url }: StartedService,
  { query, pictures, connections, requests, seconds, rate }: LoadOptions,
): Promise<Loaded> {
  const answers: Answer[] = [];
  let engine: number | undefined;
  const options: autocannon.Options = {
    url: `${url}/v1/detect?${query}`,
    method: 'POST',
    connections,
    connectionRate: rate,
    timeout: 120,
    ...(requests === undefined ? { duration: seconds } : { amount: requests }),
    requests: pictures.map(({ mediaType, bytes }) => ({
      headers: { 'content-type': mediaType },
      body: bytes,
      // Called just before the event `response` of the same answer.
      onResponse(status: number, body: string) {
        engine = status === 200 ? totalOf(body) : undefined;
      },
    })),
  };
  const { errors, timeouts, duration } = await new Promise<autocannon.Result>((resolve, reject) => {
    const run = autocannon(options, (error, result) =>
      error ? reject(error as Error) : resolve(result),
    );
    run.on('response', (_, status, __, latency) =>
      answers.push({ status: Number(status), latency, engine }),
    );
  });
  if (errors + timeouts > 0)
    throw new Error(`${errors} requests failed and ${timeouts} had no answer in time`);
  return { answers, seconds: duration };
}

function totalOf(body: string): number {
  return (JSON.parse(body) as { timings: { total: number } }).timings.total;
}
