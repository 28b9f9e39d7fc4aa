import { expect, it, vi } from 'vitest';
import { destroyAtExit } from '../../src/node/exit.js';

it('at the end of the process, devices that are still there are destroyed', async () => {
  const before = process.listeners('exit');
  const device = (lost: Promise<unknown>) => ({ lost, destroy: vi.fn() });
  const [working, alsoWorking] = [device(new Promise(() => {})), device(new Promise(() => {}))];
  const gone = device(Promise.resolve());
  for (const each of [working, gone, alsoWorking]) destroyAtExit(each as unknown as GPUDevice);
  await gone.lost;
  const added = process.listeners('exit').filter((listener) => !before.includes(listener));
  expect(added).toHaveLength(1);
  process.off('exit', added[0]);
  added[0](0);
  expect(working.destroy).toHaveBeenCalledTimes(1);
  expect(alsoWorking.destroy).toHaveBeenCalledTimes(1);
  expect(gone.destroy).not.toHaveBeenCalled();
});
