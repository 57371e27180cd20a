/** Subjects for the filter of a JetStream consumer, which refuses those that overlap. */

/**
 * Subjects that cover all of `subjects` and do not overlap: those that do become one that covers both. So a consumer may
 * deliver more than was asked for, and its reader looks at each message again.
 */
export function withoutOverlap(subjects: readonly string[]): string[] {
  const apart: string[] = []
  for (const subject of subjects) {
    let joined = subject
    for (let at = apart.findIndex((other) => overlap(other, joined)); at >= 0;) {
      joined = join(apart.splice(at, 1)[0] ?? '', joined)
      at = apart.findIndex((other) => overlap(other, joined))
    }
    apart.push(joined)
  }
  return apart
}

/** Both of the same number of tokens, with `*` and without `>`. */
function overlap(a: string, b: string): boolean {
  const others = b.split('.')
  return a.split('.').every((token, at) => token === '*' || others[at] === '*' || token === others[at])
}

function join(a: string, b: string): string {
  const others = b.split('.')
  return a
    .split('.')
    .map((token, at) => (token === others[at] ? token : '*'))
    .join('.')
}
