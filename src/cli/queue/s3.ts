// Buckets of S3 and compatible stores, by the usual variables of the environment.
import { AwsClient } from 'aws4fetch';
import { PanppError } from '../../errors.js';

export interface Bucket {
  get(key: string, signal?: AbortSignal): Promise<Response>;
  /** Whether there is an object with this key. */
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
  const urlOf = (key: string) => `${base}/${key.split('/').map(encodeURIComponent).join('/')}`;
  return {
    get: (key, signal) => client.fetch(urlOf(key), { signal }),
    async has(key) {
      const { status } = await client.fetch(urlOf(key), { method: 'HEAD' });
      if (status === 404) return false;
      if (status === 200) return true;
      throw refusal(`s3://${name}/${key}`, status);
    },
    async create(key, body, type) {
      const headers = { 'content-type': type, 'if-none-match': '*' };
      const response = await client.fetch(urlOf(key), { method: 'PUT', body, headers });
      await response.body?.cancel();
      // 409: another one is being stored at this moment.
      if (response.status === 412 || response.status === 409) return false;
      if (response.ok) return true;
      throw refusal(`s3://${name}/${key}`, response.status);
    },
  };
}

function refusal(address: string, status: number): PanppError {
  return new PanppError('file', `${address}: the store refuses it (HTTP ${status})`);
}
