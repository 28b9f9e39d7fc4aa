// The example with a strict content security policy and a module worker, in Chromium.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { expect, it, onTestFinished } from 'vitest';
import { findChromium, launch } from '../browser/chromium.js';

const examples = fileURLToPath(new URL('../../examples/', import.meta.url));
const found = await findChromium();
if (!found) console.log('not tested with a content security policy: no Chromium here');

it.skipIf(!found)('the example with a strict policy finds text in its worker', async () => {
  const server = spawn(process.execPath, [`${examples}strict-csp/serve.mjs`, '0']);
  onTestFinished(() => void server.kill());
  const [line] = (await once(server.stdout.setEncoding('utf8'), 'data')) as [string];
  const browser = await launch(found!);
  onTestFinished(() => browser.close());
  const page = await browser.newPage();
  page.setDefaultTimeout(100_000);
  const problems: string[] = [];
  page.on('console', (message) => message.type() === 'error' && problems.push(message.text()));
  await page.goto(line.trim());
  await page.fill('#side', '128');
  const status = page.getByRole('status').filter({ hasNotText: /Choose|Looking/ });
  await page.setInputFiles('#file', `${examples}README.md`);
  expect(await status.textContent()).toMatch(/README\.md|picture|image/);
  await page.setInputFiles('#file', `${examples}street.jpg`);
  const regions = status.filter({ hasText: /regions/ });
  expect(await regions.textContent()).toMatch(/^[1-9]\d* text regions$/);
  expect(page.workers()).toHaveLength(1);
  expect(problems).toEqual([]);
  // The policy is in force: code and requests of other kinds are refused, in the worker too.
  const inline = await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'document.title = "inline"';
    document.head.append(script);
    return document.title;
  });
  expect(inline).not.toBe('inline');
  const elsewhere = page.workers()[0].evaluate(() => fetch('data:,other').then(() => 'fetched'));
  await expect(elsewhere).rejects.toThrow(/fetch/);
  expect(problems).toEqual([expect.stringContaining("directive 'script-src 'self''")]);
});
