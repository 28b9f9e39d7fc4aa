// Buckets of S3 and compatible stores, by the usual variables of the environment.
import { setTimeout as delay } from 'node:timers/promises';
import { AwsClient } from 'aws4fetch';
import { PanppError } from '../../errors.js';
import { errorLine } from '../report.js';

export interface Bucket {
  get(key: string, signal?: AbortSignal): Promise<Response>;
  /** Whether there is an object with this key, as far as the store tells. */
  has(key: string): Promise<boolean>;
  /** Stores an object unless there is one with this key; false if there is. */
  create(key: string, body: string, type: string): Promise<boolean>;
}

type Environment = Readonly<Record<string, string | undefined>>;

/**
 * A bucket. AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY must be set; AWS_SESSION_TOKEN, AWS_REGION
 * and AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL (for other stores than Amazon's) may be.
 * @throws PanppError `argument` that names what is missing
 */
export function openBucket(name: string, env: Environment = process.env): Bucket {
  const { AWS_ACCESS_KEY_ID: accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey } = env;
  if (!accessKeyId || !secretAccessKey)
    throw new PanppError(
      'argument',
      `s3://${name} needs the variables AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY`,
    );
  const region = env.AWS_REGION || env.AWS_DEFAULT_REGION || 'us-east-1';
  const sessionToken = env.AWS_SESSION_TOKEN || undefined;
  const client = new AwsClient({
    accessKeyId,
    secretAccessKey,
    sessionToken,
    region,
    service: 's3',
  });
  const endpoint = env.AWS_ENDPOINT_URL_S3 || env.AWS_ENDPOINT_URL;
  const base = endpoint
    ? `${endpoint.replace(/\/$/, '')}/${name}`
    : `https://${name}.s3.${region}.amazonaws.com`;
  const request = (key: string, init: RequestInit) =>
    client.fetch(`${base}/${key.split('/').map(encodeURIComponent).join('/')}`, init);
  /** The status of a request whose answer's body does not matter. */
  const statusOf = async (key: string, init: RequestInit) => {
    try {
      const { status, body } = await request(key, init);
      await body?.cancel();
      return status;
    } catch (cause) {
      const reason = errorLine((cause as Error).cause ?? cause);
      throw new PanppError('file', `${base}: the store can't be reached (${reason})`, { cause });
    }
  };
  return {
    get: (key, signal) => request(key, { signal }),
    async has(key) {
      const status = await statusOf(key, { method: 'HEAD' });
      // 403: who may not list a bucket is not told that an object is missing. `create` will tell.
      if (status === 404 || status === 403) return false;
      if (status === 200) return true;
      throw refusal(`s3://${name}/${key}`, status);
    },
    async create(key, body, type) {
      const headers = { 'content-type': type, 'if-none-match': '*' };
      for (let attempt = 1; ; attempt++) {
        const status = await statusOf(key, { method: 'PUT', body, headers });
        if (status === 412) return false;
        if (status >= 200 && status < 300) return true;
        // 409: another one is being stored at this moment, and may fail.
        if (status !== 409 || attempt === createAttempts)
          throw refusal(`s3://${name}/${key}`, status);
        await delay(createPause * attempt);
      }
    },
  };
}

/** How often an object is stored while others store the same, and the pauses, milliseconds. */
const [createAttempts, createPause] = [5, 200];

function refusal(address: string, status: number): PanppError {
  return new PanppError('file', `${address}: the store refuses it (HTTP ${status})`);
}
