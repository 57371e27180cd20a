/**
 * Where concepts come from. Five roots belong to everybody; every other concept extends at least one that is there
 * already, so that the graph has one root, no cycle and no orphan. A child may do what any of its parents may, and has to
 * satisfy the constraints of all of them.
 */
import { Failure } from '../../../../shared/failures.ts'

export interface Lineage {
  extends: readonly string[]
  affordances: readonly string[]
  constraints: readonly string[]
  /** 0 for the one root, else one more than the deepest parent's. */
  depth: number
}

export interface Root extends Lineage {
  name: string
  definition: string
}

const GENERAL = ['manifest', 'define', 'refine', 'relate', 'lineage', 'validate']

function rootOf(
  name: string,
  definition: string,
  affordances: readonly string[],
  constraints: readonly string[],
): Root {
  const all = [...GENERAL, ...affordances]
  return { name, definition, extends: ['concept'], affordances: all, constraints, depth: 1 }
}

const ROOTS: readonly Root[] = [
  {
    name: 'concept',
    definition: 'Whatever can be thought, and distinguished from other things',
    extends: [],
    affordances: GENERAL,
    constraints: [],
    depth: 0,
  },
  rootOf('entity', 'Something that is, and can be distinguished from others of its kind', ['identify'], []),
  rootOf(
    'process',
    'Something that goes on, and turns one thing into another',
    ['execute', 'compose'],
    ['has_input', 'has_output'],
  ),
  rootOf('relation', 'What there is between things', ['connect', 'traverse'], ['has_source', 'has_target']),
  rootOf('property', 'What can be said of a thing', ['measure'], ['has_domain']),
]

export const ROOT_NAMES: readonly string[] = ROOTS.map(({ name }) => name)

export function findRoot(name: string): Root | undefined {
  return ROOTS.find((root) => root.name === name)
}

/** What no concept can be at once. */
const CONFLICTS: readonly (readonly [string, string])[] = [
  ['mutable', 'immutable'],
  ['sync', 'async'],
  ['pure', 'impure'],
  ['deterministic', 'stochastic'],
]

/** Affordances or constraints that come together at most, and how deep a concept may lie. */
const MOST = 500
const DEEPEST = 64

/**
 * The lineage of a new concept.
 *
 * @param parents in the order of `extends`, all of them
 * @param own affordances and constraints besides those of its parents
 * @throws Failure LAW_VIOLATION where the parents, and what is its own, do not go together
 */
export function deriveLineage(
  name: string,
  parents: readonly (Lineage & { name: string })[],
  own: Pick<Lineage, 'affordances' | 'constraints'>,
): Lineage {
  if (parents.length === 0) {
    throw broken(name, 'it extends nothing', `Name at least one parent, such as ${ROOT_NAMES.join(', ')}`)
  }
  const affordances = union([...parents.map((parent) => parent.affordances), own.affordances])
  const constraints = union([...parents.map((parent) => parent.constraints), own.constraints])
  const conflict = CONFLICTS.find((pair) => pair.every((each) => constraints.includes(each)))
  if (conflict !== undefined) {
    throw broken(name, `it would be both ${conflict.join(' and ')}`, 'Leave out one of the parents', {
      conflict: [...conflict],
    })
  }
  const depth = Math.max(...parents.map((parent) => parent.depth)) + 1
  if (depth > DEEPEST)
    throw broken(name, `it would lie deeper than ${DEEPEST}`, 'Extend something more general')
  if (affordances.length > MOST || constraints.length > MOST) {
    throw broken(name, `it would have more than ${MOST} affordances or constraints`, 'Extend less at once')
  }
  return { extends: union([parents.map((parent) => parent.name)]), affordances, constraints, depth }
}

/** @throws Failure LAW_VIOLATION where a concept is among its own parents */
export function checkNotItsOwn(name: string, parents: readonly string[]): void {
  if (parents.includes(name)) throw broken(name, 'it would extend itself', 'Name other parents')
}

function union(lists: readonly (readonly string[])[]): string[] {
  return [...new Set(lists.flat())]
}

function broken(name: string, why: string, suggestion: string, details = {}): Failure {
  return new Failure('LAW_VIOLATION', `Cannot define "concept.${name}": ${why}`, { suggestion, details })
}
