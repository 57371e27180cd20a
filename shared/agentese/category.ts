/**
 * What kind of verb an aspect is. The category alone decides whether it may write and what it takes to call it.
 */
import type { Permission } from '../identity/permissions.ts'

export const CATEGORIES = {
  /** Perception: looks. */
  P: { name: 'perception', writes: false, permission: 'agentese:read' },
  /** Mutation: changes what is there. */
  M: { name: 'mutation', writes: true, permission: 'agentese:write' },
  /** Composition: puts things side by side. */
  C: { name: 'composition', writes: false, permission: 'agentese:read' },
  /** Introspection: tells about itself. */
  I: { name: 'introspection', writes: false, permission: 'agentese:read' },
  /** Generation: brings something new into being. */
  G: { name: 'generation', writes: true, permission: 'agentese:write' },
  /** Entropy: moves the tenant's ledgers of chance and thanks, and no other state. */
  E: { name: 'entropy', writes: true, permission: 'agentese:invoke' },
} as const satisfies Record<string, { name: string; writes: boolean; permission: Permission }>

export type AspectCategory = keyof typeof CATEGORIES

/** The kinds of declared effect; an effect reads `kind:resource`. */
const EFFECT_KINDS = [
  'reads',
  'writes',
  'deletes',
  'charges',
  'earns',
  'calls',
  'emits',
  'forces',
  'audits',
] as const

const EFFECT = new RegExp(`^(${EFFECT_KINDS.join('|')}):[a-z][a-z0-9_]*$`)

/**
 * Checks that an aspect's effects are well formed and that its category allows them.
 *
 * @throws TypeError when it is not so: a contract that contradicts itself must not be served
 */
export function checkEffects(path: string, category: AspectCategory, effects: readonly string[]): void {
  for (const effect of effects) {
    if (!EFFECT.test(effect))
      throw new TypeError(`Cannot define "${path}": effect "${effect}" is not kind:resource`)
    if (!CATEGORIES[category].writes && /^(writes|deletes):/.test(effect)) {
      throw new TypeError(
        `Cannot define "${path}": a ${CATEGORIES[category].name} may not declare "${effect}"`,
      )
    }
  }
}
