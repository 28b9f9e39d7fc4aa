// WGSL in fewer bytes: no comments, spaces only where two tokens would become one, and short names for what shaders declare for themselves.

/** An identifier that is no member after its dot, no end of a number, and no part of a name that src/layers/unrolled.ts makes. */
const identifier = /(?<![\w.$])[A-Za-z_]\w*(?![\w$])/g;
const declared = /\b(?:fn|let|var(?: ?<[^>]*>)?|const|struct) ?(\w+)(?![\w$])|[(),] ?(\w+) ?:/g;
const member = /[{,] ?(\w+) ?:/g;
const override = /\boverride (\w+)/g;

/**
 * Short names for what the shaders declare. All shaders get the same, because parts of them are put together later. Names stay that code outside of
 * the shaders uses (overrides, `main`), members', and those that some part uses without declaring them: WGSL's own, and those of other parts.
 */
export function shortNames(sources) {
  const uses = new Map();
  const kept = new Set(['main']);
  for (const code of sources.map(withoutComments)) {
    const own = new Set([...code.matchAll(declared)].map((match) => match[1] ?? match[2]));
    for (const [name] of code.matchAll(identifier)) {
      uses.set(name, (uses.get(name) ?? 0) + 1);
      if (!own.has(name)) kept.add(name);
    }
    for (const [, name] of [...code.matchAll(member), ...code.matchAll(override)]) kept.add(name);
  }
  const letters = [...'abcdefghijklmnopqrstuvwxyz'];
  // No word of WGSL, and no unrolled name, ends in a capital.
  const short = letters.flatMap((first) => letters.map((second) => first + second.toUpperCase())).filter((name) => !uses.has(name));
  const long = [...uses].filter(([name]) => name.length > 2 && !kept.has(name)).sort((a, b) => b[1] * b[0].length - a[1] * a[0].length);
  return new Map(long.slice(0, short.length).map(([name], index) => [name, short[index]]));
}

/**
 * @param code without block comments, which the project's shaders don't have
 * @param names what to call what: `shortNames`
 */
export function minifyWgsl(code, names = new Map()) {
  return (
    withoutComments(code)
      .replace(identifier, (name) => names.get(name) ?? name)
      // Not before the = of `array<f32, 4> = …`: `>=` would be another token. - and & follow below: of two,
      // `--` and `&&` could come.
      .replace(/ ?([,;(){}[\]:+*/%^|!?]|(?<!> )=) ?/g, '$1')
      // These between a value and a value, where no second one of the kind can follow.
      .replace(/(?<=[\w)\]]) (-|&&?) (?=[\w(])/g, '$1')
      .trim() + '\n'
  );
}

function withoutComments(code) {
  if (code.includes('/*')) throw new Error('block comments are not taken out; use // in shaders');
  return code.replace(/\/\/.*/g, '').replace(/\s+/g, ' ');
}
