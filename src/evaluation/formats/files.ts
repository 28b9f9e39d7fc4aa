/**
 * File names (without folders, unless a protocol should see them) with their bytes, in reading
 * order.
 */
export type FileSet = ReadonlyMap<string, Uint8Array>;
