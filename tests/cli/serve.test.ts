// `panpp serve` as a process: what it refuses to start with, and how it ends.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { type AddressInfo, createServer } from 'node:net';
import { onTestFinished, describe, expect, it, vi } from 'vitest';
import { crop, finished, inScratch, onAdapter, panpp, refused, start, write } from './cli.js';
import { form } from '../serve/serving.js';

const token = 'a-token-of-length-22!!';

/** A started service, once it listens. */
async function listening(args: readonly string[], env: NodeJS.ProcessEnv = {}) {
  const child = start(['serve', '--port', '0', ...onAdapter, ...args], env);
  onTestFinished(() => void child.kill('SIGKILL'));
  const end = finished(child);
  const url = await addressOf(child);
  return { child, end, url };
}

async function addressOf(child: ChildProcess): Promise<string> {
  let said = '';
  child.stderr!.on('data', (data: string) => (said += data));
  const address = () => /^panpp: listening on (\S+)$/m.exec(said)?.[1];
  await vi.waitUntil(() => address() !== undefined || child.exitCode !== null, { timeout: 60_000 });
  return address() ?? expect.fail(said);
}

describe('panpp serve', () => {
  it('does not listen to others without a token, nor with a bad one', async () => {
    expect(await refused(['serve', '--host', '0.0.0.0'])).toBe(
      'panpp: 0.0.0.0 can be reached from other machines, so a token is needed; set --token-file or the variable PANPP_TOKEN, or listen on 127.0.0.1',
    );
    write('short', 'short\n');
    expect(await refused(['serve', '--token-file', 'short'])).toMatch(
      /^panpp: short: the token has 5 characters and needs at least 16/,
    );
    expect(await refused(['serve', '--token-file', 'missing'])).toMatch(/missing: no such file/);
    const { code, messages } = await panpp(['serve'], { PANPP_TOKEN: 'x y' });
    expect({ code, messages }).toEqual({
      code: 2,
      messages: [expect.stringMatching(/^panpp: PANPP_TOKEN: a token is one line/)],
    });
  });

  it('answers what is under way when it is told to end, and exits with 0', async () => {
    write('token', `${token}\n`);
    const { child, end, url } = await listening(['--token-file', inScratch('token')]);
    expect((await fetch(`${url}/v1/detect`, { method: 'POST' })).status).toBe(401);
    const file = await (await crop('sign')).png().toBuffer();
    // A new size, so its shaders are compiled first: long enough for the signal.
    const answer = fetch(`${url}/v1/detect?shortSide=64`, {
      ...form(file, {}, 'sign.png'),
      headers: { authorization: `Bearer ${token}` },
    });
    const open = async () =>
      (await fetch(`${url}/metrics`, { headers: { authorization: `Bearer ${token}` } })).text();
    await vi.waitUntil(async () => (await open()).includes('\npanpp_requests_open 1\n'), {
      timeout: 10_000,
      interval: 5,
    });
    child.kill('SIGTERM');
    const response = await answer;
    expect(response.status).toBe(200);
    expect(await response.json()).toMatchObject({ file: 'sign.png', width: 192, height: 128 });
    const { code, stdout, messages } = await end;
    expect(code).toBe(0);
    expect(messages).toEqual([`panpp: listening on ${url}`]);
    const lines = stdout
      .split('\n')
      .slice(0, -1)
      .map((line) => JSON.parse(line) as Record<string, unknown>);
    expect(lines.map(({ msg }) => msg)).toContain('stopping');
    expect(lines.at(-1)).toMatchObject({ route: '/v1/detect', status: 200 });
    expect(stdout).not.toContain(token);
  });

  it.each(['127.0.0.1', 'localhost'])(
    'says that a port of %s is taken, before it opens weights',
    async (host) => {
      const other = createServer().listen(0, host);
      onTestFinished(() => void other.close());
      await once(other, 'listening');
      const port = String((other.address() as AddressInfo).port);
      const args = ['serve', '--host', host, '--port', port, '--weights', 'missing'];
      const message = await refused(args);
      expect(message).toMatch(/\(.*EADDRINUSE.*\); choose another --port or --host$/);
      expect(message.startsWith(`panpp: can't listen on port ${port} of ${host} (`)).toBe(true);
      const closed = once(other, 'close');
      other.close();
      await closed;
      expect(await refused(args)).toBe('panpp: missing: no such file or folder');
    },
  );
});
