// A process that runs one command line after another: the built program with its own arguments,
// streams and exit codes, on devices whose compiled shaders are kept. Compiling them takes a
// software adapter seconds, more than all else that a command on small pictures does.
import { globals } from 'webgpu';

/**
 * What the program asks Dawn for is answered once for each way of asking; what it makes is its own.
 */
const { GPU, GPUAdapter } = globals;
const instances = new WeakMap();
const devices = new Map();
let count = 0;

const { requestAdapter } = GPU.prototype;
GPU.prototype.requestAdapter = async function (...options) {
  const adapter = await requestAdapter.apply(this, options);
  if (adapter) instances.set(adapter, this);
  if (!this.number) Object.defineProperty(this, 'number', { value: ++count });
  return adapter;
};

const { requestDevice } = GPUAdapter.prototype;
GPUAdapter.prototype.requestDevice = function (descriptor) {
  const key = JSON.stringify([instances.get(this).number, this.info.description, descriptor]);
  if (!devices.has(key))
    devices.set(key, requestDevice.call(this, descriptor).then(keepingPipelines));
  return devices.get(key);
};

function keepingPipelines(device) {
  const sources = new WeakMap();
  const pipelines = new Map();
  const replace = (name, by) =>
    Object.defineProperty(device, name, { value: by(device[name].bind(device)) });
  // Devices are alike and outlive the commands that open them.
  replace('destroy', () => () => {});
  const remembering = (create) => (descriptor) => {
    const made = create(descriptor);
    // An object that a descriptor names, such as a layout, is told by what it was made of.
    sources.set(made, keyOf(descriptor));
    return made;
  };
  for (const name of ['createShaderModule', 'createBindGroupLayout', 'createPipelineLayout'])
    replace(name, remembering);
  for (const name of ['createComputePipeline', 'createComputePipelineAsync']) {
    replace(name, (create) => (descriptor) => {
      const key = `${name} ${keyOf(descriptor)}`;
      if (!pipelines.has(key)) pipelines.set(key, create(descriptor));
      return pipelines.get(key);
    });
  }
  return device;

  function keyOf(descriptor) {
    return JSON.stringify(descriptor, (name, value) =>
      name === 'label' ? undefined : (sources.get(Object(value)) ?? value),
    );
  }
}

const [program] = process.argv.splice(2, 1);
const { env, argv } = process;
let runs = 0;

// Every command adds listeners that would end with its own process.
process.setMaxListeners(0);

process.on('message', async ({ args, folder, end }) => {
  process.chdir(folder);
  process.argv = [argv[0], program, ...args];
  process.exitCode = undefined;
  const before = { ...env };
  // Another name, so that the program begins anew; what it imports is kept.
  await import(`file://${program}?${++runs}`);
  for (const stream of [process.stdout, process.stderr]) stream.removeAllListeners('error');
  process.removeAllListeners('uncaughtException');
  for (const name of Object.keys(env)) if (!(name in before)) delete env[name];
  const code = process.exitCode ?? 0;
  process.stdout.write(`${end}\n`);
  process.stderr.write(`${end}${code}\n`);
});

// Devices that are still there would keep the process.
process.on('disconnect', () => process.exit());
