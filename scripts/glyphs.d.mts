export function glyphsModule(): Promise<string>;
