// Rules that find faults, and the direction of imports; form is Prettier's.
import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import { importX } from 'eslint-plugin-import-x';
import globals from 'globals';
import tseslint from 'typescript-eslint';

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
  'cli',
];
// Rooms beside each other, although one stands before the other above.
const strangers = {
  detection: ['recognition'],
  evaluation: ['formats', 'model', 'tuning', 'export', 'detection', 'recognition'],
};

// Rooms within a room, with what the two know of each other: `above`, the inner room imports from
// the outer one; `below`, the other way round.
const inner = { 'layers/conv': 'above', 'evaluation/formats': 'below' };

const directions = rooms.flatMap((room, place) => {
  const patterns = [...rooms.slice(place + 1), ...(strangers[room] ?? [])].map((name) => ({
    // A folder `formats` within evaluation is no room.
    regex: `^(\\.\\./)+${name}/`,
    message: `${room}/ must not know of ${name}/: imports go in one direction`,
  }));
  const restricted = (files, more = []) => ({
    files: [files],
    rules: { 'no-restricted-imports': ['error', { patterns: [...patterns, ...more] }] },
  });
  const [path, side] = Object.entries(inner).find(([name]) => name.startsWith(`${room}/`)) ?? [];
  if (!path) return restricted(`src/${room}/**/*.ts`);
  const folder = path.slice(room.length + 1);
  const message = `imports between ${room}/ and ${path}/ go in one direction`;
  const isAbove = side === 'above';
  return [
    restricted(`src/${room}/*.ts`, isAbove ? [{ regex: `^\\./${folder}/`, message }] : []),
    restricted(`src/${path}/**/*.ts`, isAbove ? [] : [{ regex: '^\\.\\./[^./]+\\.js$', message }]),
  ];
});

export default defineConfig(
  { ignores: ['dist/', 'bench/dist/', 'docs/api/', '.portable/'] },
  js.configs.recommended,
  {
    files: ['**/*.ts', '**/*.mts'],
    extends: [tseslint.configs.recommendedTypeChecked],
    plugins: { 'import-x': importX },
    languageOptions: {
      parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname },
    },
    settings: {
      'import-x/extensions': ['.ts'],
      'import-x/parsers': { '@typescript-eslint/parser': ['.ts'] },
      'import-x/resolver-next': [tsOfJs()],
    },
    rules: {
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      // An async function without await is a short way to one that returns a promise.
      '@typescript-eslint/require-await': 'off',
    },
  },
  ...directions,
  {
    // Matchers are of the type any, and methods are handed to spies.
    files: ['tests/**/*.ts'],
    rules: {
      '@typescript-eslint/no-unsafe-assignment': 'off',
      '@typescript-eslint/no-unsafe-return': 'off',
      '@typescript-eslint/no-unsafe-argument': 'off',
      '@typescript-eslint/no-unsafe-call': 'off',
      '@typescript-eslint/no-unsafe-member-access': 'off',
      '@typescript-eslint/unbound-method': 'off',
    },
  },
  { files: ['**/*.mts'], extends: [tseslint.configs.disableTypeChecked] },
  { files: ['**/*.mjs'], languageOptions: { globals: globals.node } },
  { files: ['examples/browser/**/*.js'], languageOptions: { globals: globals.browser } },
);

/** Imports name what TypeScript makes of a file: `./a.js` is `./a.ts`. */
function tsOfJs() {
  return {
    interfaceVersion: 3,
    name: 'ts-of-js',
    resolve(source, file) {
      if (!source.startsWith('.') || !source.endsWith('.js')) return { found: false };
      const path = new URL(source.replace(/\.js$/, '.ts'), `file://${file}`).pathname;
      return { found: true, path };
    },
  };
}
