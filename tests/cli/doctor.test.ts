import { describe, expect, it } from 'vitest';
import { isEmbeddedPlatform } from '../../src/node/embedded-driver.js';
import { panpp } from './cli.js';

describe('doctor', () => {
  it('describes adapters as text', async () => {
    const { code, stdout, messages } = await panpp(['doctor']);
    expect({ code, messages }).toEqual({ code: 0, messages: [] });
    expect(stdout).toMatch(/^adapter {4}.+\((hardware|software|software, embedded)\)$/m);
    expect(stdout).toMatch(/maxStorageBufferBindingSize \d+/);
    expect(stdout).toMatch(/^used {7}(?!none)/m);
  });

  it('and for programs', async () => {
    const { code, stdout } = await panpp(['doctor', '--json']);
    expect(code).toBe(0);
    const { usable, adapters, preferred, node } = JSON.parse(stdout) as Record<string, unknown>;
    expect(usable).toBe(true);
    expect(node).toBe(process.version);
    const descriptions = (
      adapters as { description: string; limits: Record<string, number> }[]
    ).map(({ description }) => description);
    expect(descriptions).toContain(preferred);
    expect(
      (adapters as { limits: Record<string, number> }[])[0].limits.maxBufferSize,
    ).toBeGreaterThan(0);
  });

  it.skipIf(!isEmbeddedPlatform)(
    'says what to do where no driver is found, with exit code 1',
    async () => {
      const nowhere = {
        VK_DRIVER_FILES: '/nowhere',
        VK_ICD_FILENAMES: '/nowhere',
        XDG_CACHE_HOME: '/dev/null',
        TMPDIR: '/dev/null',
      };
      const { code, stdout } = await panpp(['doctor'], nowhere);
      expect(code).toBe(1);
      expect(stdout).toMatch(/^used {7}none$/m);
      expect(stdout).toMatch(/^! .*can't be unpacked.*XDG_CACHE_HOME/m);
    },
  );
});
