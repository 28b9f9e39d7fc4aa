/** An imported WGSL file; see scripts/wgsl-plugin.mjs. */
export interface Source {
  /** The file's name, such as `add.wgsl`. */
  readonly name: string;
  readonly text: string;
}
