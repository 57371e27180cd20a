/**
 * What an aspect does besides answering, declared as `kind:resource` such as `writes:entity`, and what it costs. Effects
 * add up: those of `a >> b` are those of both, so everything that a composition does and takes is known before its
 * first stage runs.
 */
import { Failure } from '../failures.ts'
import { CATEGORIES, type AspectCategory } from './category.ts'
import { identifierFault } from './path.ts'
import { quote } from './quote.ts'

/** Each kind of effect with the verb of the scope that it takes. */
export const KINDS = {
  /** Reads the resource: safe, may be cached. */
  reads: 'read',
  /** Makes or changes it. */
  writes: 'write',
  /** Removes it. */
  deletes: 'delete',
  /** Spends the tenant's share of it: reserved before, settled after. */
  charges: 'charge',
  /** Gives some of it to the tenant. */
  earns: 'earn',
  /** Calls something outside: a model, a tool, another service. */
  calls: 'call',
  /** Notifies subscribers, by an event. */
  emits: 'emit',
  /** Acts on somebody else's, which takes their consent. */
  forces: 'force',
  /** Must leave its reasons behind. */
  audits: 'audit',
} as const satisfies Record<string, string>

export type EffectKind = keyof typeof KINDS

/** Amounts by resource, in the resource's own unit; millionths are the smallest part. */
export type Amounts = Readonly<Record<string, number>>

/** What something does and costs. */
export interface Effects {
  /** Sorted, each once. */
  effects: readonly string[]
  charges: Amounts
  earns: Amounts
}

/** Effects as they are given: in any order, without the amounts that there are none of. */
export type GivenEffects = Partial<Effects>

/** The effects of doing nothing: the unit of `composeEffects`. */
export const EMPTY_EFFECTS: Effects = { effects: [], charges: {}, earns: {} }

const PARTS_PER_UNIT = 1_000_000

/**
 * Reads one effect.
 *
 * @throws Failure EFFECT_SYNTAX
 */
export function parseEffect(text: string): { kind: EffectKind; resource: string } {
  const colon = text.indexOf(':')
  const kind = text.slice(0, Math.max(0, colon))
  if (!isKind(kind)) throw badEffect(text, `it does not start with ${Object.keys(KINDS).join(':, ')}:`)
  const resource = text.slice(colon + 1)
  const fault = identifierFault(resource)
  if (fault !== undefined) throw badEffect(text, `its resource ${quote(resource)} ${fault}`)
  return { kind, resource }
}

/**
 * The effects of all parts together: the union of what they do, the sum of what they cost and earn. Associative,
 * commutative, and `EMPTY_EFFECTS` is its unit.
 *
 * @throws RangeError for what is no amount: it is negative, not a number, or beyond counting
 */
export function composeEffects(parts: readonly GivenEffects[]): Effects {
  return {
    effects: [...new Set(parts.flatMap(({ effects }) => effects ?? []))].sort(),
    charges: sumOf(parts.map(({ charges }) => charges ?? {})),
    earns: sumOf(parts.map(({ earns }) => earns ?? {})),
  }
}

/** The effects of `a >> b`. */
export function compose(a: GivenEffects, b: GivenEffects): Effects {
  return composeEffects([a, b])
}

/** Whether the owner of what is affected has to consent. */
export function isForced(effects: readonly string[]): boolean {
  return effects.some((effect) => effect.startsWith('forces:'))
}

/** The scopes that `effects` take, one for each: `writes:session` takes `session:write`. Sorted, each once. */
export function scopesOf(effects: readonly string[]): string[] {
  const scopes = effects.map(parseEffect).map(({ kind, resource }) => `${resource}:${KINDS[kind]}`)
  return [...new Set(scopes)].sort()
}

/**
 * Checks that an aspect's effects are well formed and that its category allows them.
 *
 * @throws TypeError when it is not so: a contract that contradicts itself must not be served
 */
export function checkEffects(path: string, category: AspectCategory, effects: readonly string[]): void {
  for (const effect of effects) {
    const { kind } = readDeclared(path, effect)
    if (!CATEGORIES[category].writes && (kind === 'writes' || kind === 'deletes')) {
      throw new TypeError(
        `Cannot define "${path}": a ${CATEGORIES[category].name} may not declare "${effect}"`,
      )
    }
  }
}

function readDeclared(path: string, effect: string) {
  try {
    return parseEffect(effect)
  } catch (cause) {
    throw new TypeError(`Cannot define "${path}": effect "${effect}" is not kind:resource`, { cause })
  }
}

function isKind(text: string): text is EffectKind {
  return Object.hasOwn(KINDS, text)
}

/** Counts whole parts, since a sum of fractions would depend on their order; exact up to nine billion units. */
function sumOf(all: readonly Amounts[]): Amounts {
  const parts = new Map<string, number>()
  for (const [resource, amount] of all.flatMap((amounts) => Object.entries(amounts))) {
    if (!(amount >= 0 && amount <= Number.MAX_SAFE_INTEGER)) {
      throw new RangeError(`Cannot add "${amount}" of "${resource}": it is not an amount`)
    }
    parts.set(resource, (parts.get(resource) ?? 0) + Math.round(amount * PARTS_PER_UNIT))
  }
  return Object.fromEntries([...parts].map(([resource, sum]) => [resource, sum / PARTS_PER_UNIT]))
}

function badEffect(text: string, why: string): Failure {
  return new Failure('EFFECT_SYNTAX', `Cannot read effect ${quote(text)}: ${why}`, {
    suggestion: 'Write kind:resource, such as writes:entity',
  })
}
