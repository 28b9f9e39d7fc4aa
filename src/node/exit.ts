// A process that ends while the GPU works or compiles crashes now and then (SIGSEGV): the driver's
// threads outlive what they use. A destroyed device has none: Dawn waits for them.

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
