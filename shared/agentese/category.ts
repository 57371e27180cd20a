/**
 * What kind of verb an aspect is. The category alone decides whether it may write and what it takes to call it.
 */
import type { Permission } from '../identity/permissions.ts'

export const CATEGORIES = {
  /** Perception: reads. */
  P: { name: 'perception', writes: false, permission: 'agentese:read' },
  /** Mutation: changes what is there. */
  M: { name: 'mutation', writes: true, permission: 'agentese:write' },
  /** Composition: puts things side by side. */
  C: { name: 'composition', writes: false, permission: 'agentese:read' },
  /** Introspection: describes itself. */
  I: { name: 'introspection', writes: false, permission: 'agentese:read' },
  /** Generation: brings something new into being. */
  G: { name: 'generation', writes: true, permission: 'agentese:write' },
  /** Entropy: moves the tenant's ledgers of chance and thanks, and no other state. */
  E: { name: 'entropy', writes: true, permission: 'agentese:invoke' },
} as const satisfies Record<string, { name: string; writes: boolean; permission: Permission }>

export type AspectCategory = keyof typeof CATEGORIES
