// Makes another Dawn in this process use the same Vulkan driver as ours.
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { isSoftwareAdapter } from '../../src/gpu/context.js';
import { DRIVER_VARIABLES, loadEmbeddedDriver } from '../../src/node/embedded-driver.js';

const manifestFolders = [
  '/usr/share/vulkan/icd.d',
  '/usr/local/share/vulkan/icd.d',
  '/etc/vulkan/icd.d',
];

/**
 * Sets the Vulkan loader's variables for the rest of the process. If that is not possible, returns
 * the reason.
 */
export async function pinDriver(info: GPUAdapterInfo): Promise<string | undefined> {
  // Both prefer a hardware adapter by themselves, and the user's own choice of drivers applies to
  // both.
  if (!isSoftwareAdapter(info) || DRIVER_VARIABLES.some((name) => process.env[name]))
    return undefined;
  const manifest =
    info.architecture === 'swiftshader' ? await swiftShaderManifest() : lavapipeManifest();
  if (manifest === undefined)
    return `no driver manifest of ${info.device} found; name it in ${DRIVER_VARIABLES[0]}`;
  for (const name of DRIVER_VARIABLES) process.env[name] = manifest;
  return undefined;
}

async function swiftShaderManifest(): Promise<string> {
  const { folder } = await loadEmbeddedDriver();
  return join(folder, 'vk_swiftshader_icd.json');
}

function lavapipeManifest(): string | undefined {
  for (const folder of manifestFolders.filter((name) => existsSync(name))) {
    const name = readdirSync(folder).find((file) => /^lvp_icd.*\.json$/.test(file));
    if (name) return join(folder, name);
  }
  return undefined;
}
