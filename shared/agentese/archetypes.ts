/** Groups of archetypes that have verbs in common. */
import type { Archetype } from './observer.ts'

export const BUILDERS = ['developer', 'architect', 'admin', 'system', 'technical'] as const
export const KEEPERS = ['developer', 'operator', 'admin', 'system'] as const
export const SCHOLARS = ['architect', 'artist', 'poet', 'researcher', 'technical'] as const
export const THINKERS = ['creative', 'strategic', 'tactical', 'reflective'] as const
export const VISITORS = ['newcomer', 'casual', 'reviewer', 'security'] as const

/** Who may talk with K-gent. */
export const TALKERS = [
  ...BUILDERS,
  'operator',
  ...VISITORS,
  'reflective',
  'creative',
  'strategic',
  'tactical',
] as const

/** Who has a verb; `all` is everybody. */
export type Archetypes = 'all' | readonly Archetype[]
