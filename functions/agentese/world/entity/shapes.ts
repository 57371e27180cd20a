/** What an entity consists of, as callers name and see it. */
import { z } from 'zod'
import { jsonObject } from '../../../../shared/contract/json-object.ts'
import { MAX_KINDS } from './rows.ts'

/** Bytes of JSON. */
export const MAX_STATE = 65_536
export const MAX_METADATA = 16_384

export const Name = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be a lower-case letter followed by a-z, 0-9 or _')
export const Description = z.string().max(2000)
export const State = jsonObject(MAX_STATE)
export const Metadata = jsonObject(MAX_METADATA)

/** Kinds of tie that a path itself implies. */
const OWN_KINDS = new Set(['parent', 'child'])
export const Kind = Name.refine(
  (kind) => !OWN_KINDS.has(kind),
  'is what "parent" is for; choose another word',
)
export const Targets = z.array(Name).max(64)
export const isFewKinds = (relations: object) => Object.keys(relations).length <= MAX_KINDS
export const TOO_MANY_KINDS = `are of more than ${MAX_KINDS} kinds`

export const EntityView = z.strictObject({
  handle: z.string(),
  name: z.string(),
  entity_type: z.string(),
  description: z.string(),
  state: z.record(z.string(), z.unknown()),
  metadata: z.record(z.string(), z.unknown()),
  parent: z.string().nullable(),
  relations: z.record(z.string(), z.array(z.string())),
})

/** What examples are about. */
export const HOUSE = {
  path: 'world.house.define',
  input: { state: { materials: ['oak'], dimensions: { width: 8 } } },
}
