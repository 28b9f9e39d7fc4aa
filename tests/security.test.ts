// Promises of SECURITY.md that no other test holds, and that those it names are there.
import { existsSync, readFileSync, readdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { createRequire } from 'node:module';
import { describe, expect, it } from 'vitest';
import { PanppError } from '../src/errors.js';

const project = dirname(createRequire(import.meta.url).resolve('panpp/package.json'));
const text = (name: string) => readFileSync(join(project, name), 'utf8');

describe('SECURITY.md', () => {
  it('names tests and pages that exist', () => {
    const page = text('SECURITY.md');
    const promises = page.slice(page.indexOf('## What is promised'), page.indexOf('## Limits'));
    const rows = promises.split('\n').filter((line) => /^\| (?!promise|---)/.test(line));
    expect(rows.length).toBeGreaterThan(12);
    for (const row of rows) expect(row, row).toMatch(/`tests\/[\w/-]+\.test\.ts`/);
    const named = [...page.matchAll(/`?((?:tests|bench|\.github)\/[\w./-]+\.\w+)`?/g)];
    for (const [, name] of named) expect(existsSync(join(project, name)), name).toBe(true);
  });
});

describe('the source', () => {
  const files = readdirSync(join(project, 'src'), { recursive: true, encoding: 'utf8' }).filter(
    (name) => name.endsWith('.ts'),
  );
  const filesWith = (pattern: RegExp) =>
    files.filter((name) => pattern.test(text(join('src', name))));

  it('has no way to the network but those of loadWeights, panpp serve and the queue', () => {
    expect(files.length).toBeGreaterThan(100);
    expect(filesWith(/from '(node:)?(https?|http2|net|tls|dgram|dns)(\/\w+)?'/)).toEqual([]);
    expect(
      filesWith(/\b(XMLHttpRequest|WebSocket|EventSource|sendBeacon|importScripts)\b/),
    ).toEqual([]);
    const queue = join('cli', 'queue', '/');
    expect(filesWith(/(?<!\.)\bfetch\(/).sort()).toEqual([
      `${queue}addresses.ts`,
      join('model', 'load-weights.ts'),
    ]);
    const withClients = filesWith(/from '(bullmq|ioredis|aws4fetch)'/);
    expect(withClients.filter((name) => !name.startsWith(queue))).toEqual([]);
    expect(withClients).toContain(`${queue}redis.ts`);
    // Which only listens.
    const withFastify = filesWith(/from '(@fastify\/\w+|fastify)'/);
    expect(withFastify.filter((name) => !name.startsWith(join('serve', '')))).toEqual([]);
    expect(withFastify).toContain(join('serve', 'service.ts'));
    const starting = filesWith(/import\('\.\.\/serve\//);
    expect(starting).toEqual([join('cli', 'serve.ts')]);
  });

  it('starts no program and makes no code from text', () => {
    expect(filesWith(/from '(node:)?(child_process|vm|cluster|inspector|repl)'/)).toEqual([]);
    expect(filesWith(/(?<!\.)\beval\(|\bnew Function\b|\bFunction\(/)).toEqual([]);
  });
});

describe('an error', () => {
  it('is one printable line, whatever names it holds', () => {
    const { message } = new PanppError('file', 'a\nb\r\x1b[31m\u009bc\u2028d\u2029é\t.png: no');
    expect(message).toBe('a?b??[31m?c?d?é?.png: no');
  });
});
