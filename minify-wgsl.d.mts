export function shortNames(sources: readonly string[]): Map<string, string>;
export function minifyWgsl(code: string, names?: ReadonlyMap<string, string>): string;
