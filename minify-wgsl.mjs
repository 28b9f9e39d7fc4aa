// WGSL in fewer bytes with every token as it was: no comments, and spaces only where two tokens would become one.

/** @param code without block comments, which the project's shaders don't have */
export function minifyWgsl(code) {
  if (code.includes('/*')) throw new Error('block comments are not taken out; use // in shaders');
  return (
    code
      .replace(/\/\/.*/g, '')
      .replace(/\s+/g, ' ')
      // Not before the = of `array<f32, 4> = …`: `>=` would be another token. - and & follow below: of two,
      // `--` and `&&` could come.
      .replace(/ ?([,;(){}[\]:+*/%^|!?]|(?<!> )=) ?/g, '$1')
      // These between a value and a value, where no second one of the kind can follow.
      .replace(/(?<=[\w)\]]) (-|&&?) (?=[\w(])/g, '$1')
      .trim() + '\n'
  );
}
