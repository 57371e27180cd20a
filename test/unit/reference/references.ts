/** References within a document. */

type Step = string | number

/** Every value of a document with the way to it, from the outside in. */
function* walk(value: unknown, way: readonly Step[] = []): Generator<[way: readonly Step[], value: unknown]> {
  yield [way, value]
  if (typeof value !== 'object' || value === null) return
  for (const [name, member] of Object.entries(value)) yield* walk(member, [...way, name])
}

/** References that lead nowhere. */
export function danglingReferences(document: unknown): unknown[] {
  return [...walk(document)]
    .filter(([way]) => way.at(-1) === '$ref')
    .map(([, reference]) => reference)
    .filter((reference) => typeof reference !== 'string' || resolve(document, reference) === undefined)
}

/** What `reference` (`#/a/b`) leads to. */
export function resolve(document: unknown, reference: string): unknown {
  if (!reference.startsWith('#/')) return undefined
  return reference
    .slice(2)
    .split('/')
    .map((step) => step.replaceAll('~1', '/').replaceAll('~0', '~'))
    .reduce<unknown>((at, step) => (at as Record<string, unknown> | undefined)?.[step], document)
}
