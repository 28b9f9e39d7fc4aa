// Rules that find faults, and the direction of imports (scripts/import-zones.mjs); form is
// Prettier's.
import js from '@eslint/js';
import { defineConfig } from 'eslint/config';
import { importX } from 'eslint-plugin-import-x';
import globals from 'globals';
import tseslint from 'typescript-eslint';
import { tsOfJs, zones } from './scripts/import-zones.mjs';

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
      'import-x/resolver-next': [tsOfJs],
    },
    rules: {
      'import-x/no-cycle': ['error', { ignoreExternal: true }],
      'import-x/no-restricted-paths': ['error', { basePath: import.meta.dirname, zones }],
      '@typescript-eslint/switch-exhaustiveness-check': [
        'error',
        { considerDefaultExhaustiveForUnions: true },
      ],
      '@typescript-eslint/no-unused-vars': [
        'error',
        { argsIgnorePattern: '^_', varsIgnorePattern: '^_' },
      ],
      'no-restricted-syntax': [
        'error',
        {
          selector: 'ObjectExpression > SpreadElement > ObjectExpression',
          message: 'A spread literal hides misspelt properties from the compiler; write them out.',
        },
      ],
      // An async function without await is a short way to one that returns a promise.
      '@typescript-eslint/require-await': 'off',
    },
  },
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
  { files: ['**/*.mjs', 'examples/nextjs/**/*.js'], languageOptions: { globals: globals.node } },
  {
    files: ['examples/{browser,strict-csp}/**/*.js'],
    languageOptions: { globals: globals.browser },
  },
);
