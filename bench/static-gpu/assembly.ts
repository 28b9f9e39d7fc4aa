// The share of multiply-adds among the issue slots of a kernel's vector unit. It is read from the
// assembly: in the innermost loop with the most multiply-adds, or in all code if no loop has any.
import type { Family } from './families.js';

export interface Issue {
  /** Counted as multiply-adds of the unit's full width. */
  readonly multiplyAdds: number;
  /** Issue slots that the instructions take; a full-rate multiply-add takes one. */
  readonly slots: number;
}

type Instruction = Issue;

interface Listing {
  readonly instructions: readonly Instruction[];
  /** First and last instruction of each loop. */
  readonly loops: readonly (readonly [first: number, last: number])[];
}

export function issueOf(assembly: string, family: Family): Issue {
  const { instructions, loops } = readers[family.vendor](assembly.split('\n'), family);
  const hot = loops
    .map(([first, last]) => ({ first, last, ...total(instructions.slice(first, last + 1)) }))
    .filter(({ multiplyAdds }) => multiplyAdds > 0);
  const inner = hot.filter(
    (loop) =>
      !hot.some((other) => other !== loop && other.first >= loop.first && other.last <= loop.last),
  );
  const [{ multiplyAdds, slots }] = [
    ...inner.sort((a, b) => b.multiplyAdds - a.multiplyAdds || a.slots - b.slots),
    total(instructions),
  ];
  return { multiplyAdds, slots };
}

function total(code: readonly Instruction[]): Issue {
  return {
    multiplyAdds: code.reduce((sum, each) => sum + each.multiplyAdds, 0),
    slots: code.reduce((sum, each) => sum + each.slots, 0),
  };
}

/** Finds loops from labels on lines of their own and jumps back to them. */
function readListing(
  lines: readonly string[],
  label: RegExp,
  jump: RegExp,
  read: (line: string) => Instruction | undefined,
): Listing {
  const instructions: Instruction[] = [];
  const places = new Map<string, number>();
  const ends = new Map<number, number>();
  for (const line of lines) {
    const name = label.exec(line)?.[1];
    if (name !== undefined) {
      places.set(name, instructions.length);
      continue;
    }
    const instruction = read(line);
    if (!instruction) continue;
    instructions.push(instruction);
    const target = places.get(jump.exec(line)?.[1] ?? '');
    if (target !== undefined) ends.set(target, instructions.length - 1);
  }
  return { instructions, loops: [...ends] };
}

// ---- AMD ----

const multiplyAdd = /^v_(fma|fmac|mac|mad|fmaak|fmamk|madak|madmk)_(f32|f16|legacy|mix)/;
const quarterRate = /^v_(mul_lo|mul_hi|rcp|exp|log|sqrt|rsq|sin|cos|mad_u64|div_)/;
/** RDNA3: instructions of which a wave of 64 issues both halves at once. */
const dual =
  /^v_(dual_|fma_f32|fmac_f32|fmaak_f32|fmamk_f32|mul_f32|add_f32|sub_f32|subrev_f32|max_f32|min_f32|mov_b32|cndmask_b32|add_nc_u32|lshlrev_b32|and_b32|dot2)/;

function readAmd(lines: readonly string[], family: Family): Listing {
  // Some lines say how often the preceding one is repeated; there are none in loops.
  return readListing(lines, /^(BB\d+):/, /^\s*s_c?branch\w*\s+(BB\d+)/, (line) => {
    const text = line.split(';')[0].trim();
    if (!text || text.startsWith('(')) return undefined;
    if (!text.startsWith('v_')) return { multiplyAdds: 0, slots: 0 };
    const slots = (quarterRate.test(text) ? 4 : 1) * (family.dualIssue && !dual.test(text) ? 2 : 1);
    const halves = text.split('::').map((half) => half.trim());
    const multiplyAdds = halves.reduce(
      (sum, half) =>
        sum +
        (multiplyAdd.test(half.replace('v_dual_', 'v_'))
          ? 1
          : /^v_(pk_(fma|mac)|dot2)/.test(half)
            ? 2
            : 0),
      0,
    );
    return { multiplyAdds, slots };
  });
}

// ---- Intel ----

function readIntel(lines: readonly string[], family: Family): Listing {
  return readListing(
    lines,
    /^(LABEL\d+):/,
    /^(?:\([^)]*\)\s*)?while\(\d+\)\s+JIP:\s+(LABEL\d+)/,
    (line) => {
      const [, op, width] = /^(?:\([^)]*\)\s*)?([a-z]\w*)[\w.]*\s?\w*\((\d+)/.exec(line) ?? [];
      if (op === undefined) return undefined;
      if (op === 'sync' || op === 'nop') return { multiplyAdds: 0, slots: 0 };
      const cycles = Math.ceil(Number(width) / family.lanes);
      return {
        multiplyAdds: /^(mad|mac)$/.test(op) ? Number(width) / family.lanes : 0,
        slots: cycles,
      };
    },
  );
}

// ---- NVIDIA, as written by Mesa's NAK: blocks with their predecessors and successors,
// `block 110 L132 [109, 116] -> {` … `} -> [111, 114]` ----

function readNvidia(lines: readonly string[]): Listing {
  return readListing(lines, /^block\S* (\d+) /, /^\} -> \[.*?\b(\d+)\b/, (line) => {
    // A jump back is on a block's last line, which takes no slot.
    if (line.startsWith('}')) return { multiplyAdds: 0, slots: 0 };
    const [, op] = /^(?:@\S+)?\s+(?:\S+\s+=\s+)?([a-z]\w*)/.exec(line) ?? [];
    if (op === undefined || op === 'nop') return undefined;
    return { multiplyAdds: op === 'hfma2' ? 2 : Number(op === 'ffma'), slots: 1 };
  });
}

const readers: Readonly<
  Record<Family['vendor'], (lines: readonly string[], family: Family) => Listing>
> = { amd: readAmd, intel: readIntel, nvidia: readNvidia };
