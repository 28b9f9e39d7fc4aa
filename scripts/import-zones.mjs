// The direction of imports within src/, as zones of the rule import-x/no-restricted-paths. The rule
// resolves every import, so a folder within a room is not confused with the room of that name.

// The rooms of src/ from the lowest to the highest; a room imports from those before it.
const rooms = [
  'wgsl',
  'gpu',
  'shapes',
  'checkpoint',
  'layers',
  'network',
  'images',
  'aggregation',
  'recognition',
  'detection',
  'export',
  'tuning',
  'model',
  'formats',
  'evaluation',
  'node',
  'serve',
  'cli',
];

/** Lower rooms that a room must not import from either. */
const strangers = {
  detection: ['recognition'],
  evaluation: ['formats', 'model', 'tuning', 'export', 'detection', 'recognition'],
};

/** The entry points, with the rooms that may import from them. */
const entries = { 'index.ts': [], 'node.ts': ['cli'] };

const betweenRooms = rooms.flatMap((room, place) =>
  [...rooms.slice(place + 1), ...(strangers[room] ?? [])].map((name) => zone(room, name)),
);
const toEntries = Object.entries(entries).flatMap(([entry, allowed]) =>
  rooms.filter((room) => !allowed.includes(room)).map((room) => zone(room, entry)),
);

export const zones = [
  ...betweenRooms,
  ...toEntries,
  // Folders within a room: conv is above the rest of layers, formats below the rest of evaluation.
  zone('layers/*.ts', 'layers/conv'),
  { ...zone('evaluation/formats', 'evaluation'), except: ['./formats'] },
];

function zone(target, from) {
  return {
    target: `./src/${target}`,
    from: `./src/${from}`,
    message: `src/${target} must not import from src/${from}: imports go in one direction`,
  };
}

/** Imports name the compiled file: `./a.js` is `./a.ts`. */
export const tsOfJs = {
  interfaceVersion: 3,
  name: 'ts-of-js',
  resolve(source, file) {
    if (!source.startsWith('.') || !source.endsWith('.js')) return { found: false };
    const path = new URL(source.replace(/\.js$/, '.ts'), `file://${file}`).pathname;
    return { found: true, path };
  },
};
