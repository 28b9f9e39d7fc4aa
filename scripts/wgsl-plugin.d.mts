import type { Plugin } from 'esbuild';
export function wgslModule(path: string, text: string): string;
export function wgslPlugin(options?: { minify?: boolean }): Plugin;
