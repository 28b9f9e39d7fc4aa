import { closeSync, openSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { withoutNotices } from '../../src/cli/dawn-notices.js';
import { isEmbeddedPlatform } from '../../src/node/embedded-driver.js';
import { inScratch, read, start } from './cli.js';

it('Dawn’s notices are distinguished from other output', () => {
  const notices = [
    'Warning: maxDynamicUniformBuffersPerPipelineLayout artificially reduced from 1000000 to 16 to fit dynamic offset allocation limit.',
    'Warning: vkCreateInstance: Found no drivers!',
    'Warning: vkCreateInstance failed with VK_ERROR_INCOMPATIBLE_DRIVER\n    at CheckVkSuccessImpl (VulkanError.cpp:106)\n',
  ];
  const others = [
    'WARNING: a driver says this',
    'Warning: so does Dawn',
    '    at an indented line',
  ];
  const mixed = others.flatMap((line, index) => [notices[index], line]);
  expect(withoutNotices(`${mixed.join('\n')}\n`)).toBe(`${others.join('\n')}\n`);
});

/**
 * Runs `panpp doctor` with a file that is appended to as its stderr, as with `2>>`; Node's own
 * pipes are sockets, which can't be opened again.
 */
async function stderrOf(env: NodeJS.ProcessEnv): Promise<string> {
  const file = openSync(inScratch('stderr'), 'a');
  const child = start(['doctor'], env, ['ignore', 'ignore', file]);
  await new Promise((resolve, reject) => child.on('close', resolve).on('error', reject));
  closeSync(file);
  return read('stderr').toString();
}

describe.skipIf(process.platform !== 'linux')('on stderr', () => {
  it('there are none, whatever drivers are installed', async () => {
    expect(await stderrOf({})).toBe('');
    expect(await stderrOf({ VK_DRIVER_FILES: '/nowhere' })).toBe('');
  });

  it.skipIf(!isEmbeddedPlatform)('there is what else native code writes', async () => {
    expect(await stderrOf({ VK_LOADER_DEBUG: 'all' })).toContain('vk_swiftshader_icd.json');
  });
});
