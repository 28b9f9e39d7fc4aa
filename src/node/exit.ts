// A process that ends while the GPU works or compiles sometimes crashes (SIGSEGV), because the
// driver's threads outlive the data they use. Destroying the device prevents this: Dawn waits for
// those threads.

const devices = new Set<WeakRef<GPUDevice>>();
let isWatching = false;

/** Destroys the device when the process ends, unless it is gone by then. */
export function destroyAtExit(device: GPUDevice): void {
  if (!isWatching) process.once('exit', destroyAll);
  isWatching = true;
  const entry = new WeakRef(device);
  devices.add(entry);
  void device.lost.then(() => devices.delete(entry));
}

function destroyAll(): void {
  for (const entry of devices) entry.deref()?.destroy();
}
