/** Changing what an entity is. */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { requireSome } from '../../../../shared/contract/constraints.ts'
import { aspect } from '../../../../shared/contract/define-node.ts'
import { sizeOf } from '../../../../shared/contract/json-object.ts'
import { Failure } from '../../../../shared/failures.ts'
import { findEntity, lockEntity, stateOf, tie, updateEntity, type EntityState } from './rows.ts'
import {
  Description,
  EntityView,
  HOUSE,
  isFewKinds,
  Kind,
  MAX_METADATA,
  MAX_STATE,
  Metadata,
  State,
  Targets,
  TOO_MANY_KINDS,
} from './shapes.ts'

export const transform = aspect({
  category: 'M',
  archetypes: ['inhabitant', 'architect', 'developer'],
  summary: 'Change members of its state; null takes one away',
  effects: ['writes:entity'],
  input: requireSome(
    z.strictObject({
      changes: State.optional(),
      metadata: Metadata.optional(),
      description: Description.optional(),
      relations: z.record(Kind, Targets.nullable()).refine(isFewKinds, TOO_MANY_KINDS).optional(),
      /** The result of the stage before: changes, as far as `changes` does not say otherwise. */
      input: State.optional(),
    }),
    'at least one member is required',
  ),
  output: z.strictObject({
    handle: z.string(),
    /** Whether anything is different now. */
    transformed: z.boolean(),
    /** The members of the state that are different now; null where one was taken away. */
    changes: z.record(z.string(), z.unknown()),
    entity: EntityView,
  }),
  examples: [
    {
      summary: 'Paint it, and forget what it cost',
      holon: 'house',
      input: { changes: { colour: 'red', price: null } },
      given: [HOUSE],
    },
  ],
  async handle({ changes, input, relations = {}, description, metadata }, call) {
    const { db, holon } = call
    const before = await stateOf(db, await lockEntity(db, holon))
    await tie(call, holon, relations)
    const { relations: now } = await stateOf(db, await findEntity(db, holon))
    const after = {
      ...before,
      description: description ?? before.description,
      state: merge(before.state, { ...input, ...changes }),
      metadata: merge(before.metadata, metadata ?? {}),
      relations: now,
    }
    checkSizes(after)
    const transformed = !isDeepStrictEqual(before, after)
    if (transformed) {
      await updateEntity(db, after)
      call.changed(after.handle, after)
    }
    const different = differencesOf(before.state, after.state)
    return { handle: after.handle, transformed, changes: different, entity: after }
  },
})

/** A shallow merge in which null takes a member away. */
function merge(state: Record<string, unknown>, changes: Record<string, unknown>): Record<string, unknown> {
  const merged = Object.entries({ ...state, ...changes })
  return Object.fromEntries(merged.filter(([name]) => changes[name] !== null))
}

function differencesOf(before: Record<string, unknown>, after: Record<string, unknown>) {
  const names = [...new Set([...Object.keys(before), ...Object.keys(after)])]
  // Every object seems to have members such as "constructor".
  const valueIn = (state: Record<string, unknown>, name: string) =>
    Object.hasOwn(state, name) ? state[name] : undefined
  const different = names.filter((name) => !isDeepStrictEqual(valueIn(before, name), valueIn(after, name)))
  return Object.fromEntries(different.map((name) => [name, valueIn(after, name) ?? null]))
}

/** @throws Failure STATE_CONFLICT where many small changes have come to too much */
function checkSizes({ handle, state, metadata }: EntityState): void {
  const [what, most] =
    sizeOf(state) > MAX_STATE
      ? ['state', MAX_STATE]
      : sizeOf(metadata) > MAX_METADATA
        ? ['metadata', MAX_METADATA]
        : []
  if (what === undefined) return
  throw new Failure(
    'STATE_CONFLICT',
    `Cannot transform "${handle}": its ${what} would exceed ${most} bytes`,
    {
      suggestion: 'Take members away with null, or define parts of it',
    },
  )
}
