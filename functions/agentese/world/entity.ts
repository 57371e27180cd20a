/**
 * `world.*`: the things of a tenant's own world. Each looks different to each archetype; what it is stands in a state
 * that its makers write as they please. `world.house.define` makes `world.house`; with a name it makes a child of it.
 */
import { isDeepStrictEqual } from 'node:util'
import { z } from 'zod'
import { ArchetypePayload } from '../../../shared/agentese/manifest/payloads.ts'
import { renderManifest } from '../../../shared/agentese/manifest/render.ts'
import { numbersIn, typesOf } from '../../../shared/agentese/manifest/source.ts'
import type { Call } from '../../../shared/contract/call.ts'
import { aspect, defineNode, NoInput } from '../../../shared/contract/define-node.ts'
import { jsonObject, sizeOf } from '../../../shared/contract/json-object.ts'
import { cutPage } from '../../../shared/contract/pages.ts'
import type { Db } from '../../../shared/database/database.ts'
import { Failure } from '../../../shared/failures.ts'
import { leavePlace, takePlace } from '../../../shared/plans/holdings.ts'
import {
  checkEntities,
  checkWithoutParts,
  countParts,
  findEntity,
  insertEntity,
  lockEntity,
  MOST_KINDS,
  relatedTo,
  stateOf,
  tie,
  updateEntity,
  type Entity,
  type EntityState,
} from './entity/rows.ts'

/** Bytes of JSON. */
const LARGEST_STATE = 65_536
const LARGEST_METADATA = 16_384

const Name = z
  .string()
  .regex(/^[a-z][a-z0-9_]{0,63}$/, 'must be a lower-case letter followed by a-z, 0-9 or _')
const Description = z.string().max(2000)
const State = jsonObject(LARGEST_STATE)
const Metadata = jsonObject(LARGEST_METADATA)

/** Kinds of tie that a path itself tells. */
const OWN_KINDS = new Set(['parent', 'child'])
const Kind = Name.refine((kind) => !OWN_KINDS.has(kind), 'is told by "parent"; choose another word')
const Targets = z.array(Name).max(64)
const isFewKinds = (relations: object) => Object.keys(relations).length <= MOST_KINDS
const TOO_MANY_KINDS = `are of more than ${MOST_KINDS} kinds`

const EntityView = z.strictObject({
  handle: z.string(),
  name: z.string(),
  entity_type: z.string(),
  description: z.string(),
  state: z.record(z.string(), z.unknown()),
  metadata: z.record(z.string(), z.unknown()),
  parent: z.string().nullable(),
  relations: z.record(z.string(), z.array(z.string())),
})

const HOUSE = {
  path: 'world.house.define',
  input: { state: { materials: ['oak'], dimensions: { width: 8 } } },
}

export const world = defineNode('world.*', {
  summary: 'The things of your own world, and how each observer sees them',
  holons: async (db, { like, limit, offset }) => {
    const rows = await db<{ name: string }[]>`
      select name from entities where name like ${like} order by name limit ${limit} offset ${offset}`
    const [count] = await db<{ total: number }[]>`
      select count(*)::integer as total from entities where name like ${like}`
    return { names: rows.map(({ name }) => name), total: count?.total ?? 0 }
  },
  aspects: {
    manifest: aspect({
      category: 'P',
      summary: 'The thing, as your archetype sees it',
      effects: ['reads:entity'],
      input: NoInput,
      output: ArchetypePayload,
      examples: [{ summary: 'Look at the house', holon: 'house', input: {}, given: [HOUSE] }],
      async handle(_input, { db, holon, observer }) {
        const entity = await findEntity(db, holon)
        const { handle, name, description, state, metadata, relations } = await stateOf(db, entity)
        const source = {
          handle,
          name,
          kind: entity.entity_type,
          description,
          state,
          metadata,
          related: [...new Set(Object.values(relations).flat())],
          changes: entity.changes,
          updated: entity.updated_at.toISOString(),
        }
        return renderManifest(source, observer.archetype)
      },
    }),

    define: aspect({
      category: 'G',
      summary: 'Make the thing that the path names; with a name, make that as a part of it',
      effects: ['writes:entity'],
      input: z.strictObject({
        name: Name.optional(),
        entity_type: Name.default('generic'),
        description: Description.default(''),
        state: State.default({}),
        metadata: Metadata.default({}),
        relations: z.record(Kind, Targets).refine(isFewKinds, TOO_MANY_KINDS).default({}),
      }),
      output: EntityView,
      examples: [
        {
          summary: 'A house of oak',
          holon: 'house',
          input: { entity_type: 'building', description: 'An old house', state: { materials: ['oak'] } },
        },
        { summary: 'Its door', holon: 'house', input: { name: 'door' }, given: [HOUSE] },
      ],
      async handle(input, call) {
        const { name = call.holon } = input
        const parent = input.name === undefined ? null : call.holon
        checkFree(name, call)
        if (parent !== null) await checkEntities(call.db, [parent])
        await insertEntity(call, { ...input, name, parent })
        await takePlace(call.db, call.identity, 'entity')
        await tie(call, name, input.relations)
        const made = await stateOf(call.db, await findEntity(call.db, name))
        call.changed(made.handle, made)
        return made
      },
    }),

    transform: aspect({
      category: 'M',
      summary: 'Change members of its state; null takes one away',
      effects: ['writes:entity'],
      input: z
        .strictObject({
          changes: State.optional(),
          metadata: Metadata.optional(),
          description: Description.optional(),
          relations: z.record(Kind, Targets.nullable()).refine(isFewKinds, TOO_MANY_KINDS).optional(),
          /** The result of the stage before: changes, as far as `changes` does not say otherwise. */
          input: State.optional(),
        })
        .refine((given) => Object.keys(given).length > 0, 'say what changes'),
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
    }),

    relate: aspect({
      category: 'C',
      summary: 'What it is part of, what is part of it, and what it is tied to',
      effects: ['reads:entity'],
      input: z.strictObject({
        /** Only what there is between the two. */
        target: Name.optional(),
        limit: z.int().min(1).max(100).default(50),
        cursor: z
          .string()
          .regex(/^[a-z0-9_]{1,64}:(up|down|out|in):[a-z0-9_]{1,64}$/)
          .optional(),
      }),
      output: z.strictObject({
        handle: z.string(),
        related: z.array(
          z.strictObject({
            handle: z.string(),
            relation: z.string(),
            /** To its whole, to a part, to what it names, from what names it. */
            direction: z.enum(['up', 'down', 'out', 'in']),
          }),
        ),
        next_cursor: z.string().nullable(),
      }),
      examples: [{ summary: 'Everything around the house', holon: 'house', input: {}, given: [HOUSE] }],
      async handle({ target, limit, cursor }, { db, holon }) {
        await findEntity(db, holon)
        if (target !== undefined) await findEntity(db, target)
        const rows = await relatedTo(db, holon, { target, after: cursor?.split(':') ?? [], limit: limit + 1 })
        const { page, next_cursor } = cutPage(
          rows,
          limit,
          (last) => `${last.relation}:${last.direction}:${last.name}`,
        )
        return {
          handle: `world.${holon}`,
          related: page.map(({ name, ...rest }) => ({ handle: `world.${name}`, ...rest })),
          next_cursor,
        }
      },
    }),

    measure: aspect({
      category: 'P',
      summary: 'Numbers of its state and around it; one of them, or all',
      effects: ['reads:entity'],
      input: z.strictObject({
        /** `parts`, `relations`, `changes`, `state_bytes`, or the path of a number: `state.dimensions.width`. */
        metric: z.string().min(1).max(2000).optional(),
      }),
      output: z.strictObject({
        handle: z.string(),
        measurements: z.record(z.string(), z.number()),
        /** The measurement that was asked for. */
        value: z.number().nullable(),
      }),
      examples: [
        {
          summary: 'How wide is it?',
          holon: 'house',
          input: { metric: 'state.dimensions.width' },
          given: [HOUSE],
        },
        { summary: 'All that can be measured', holon: 'house', input: {}, given: [HOUSE] },
      ],
      async handle({ metric }, { db, holon }) {
        const handle = `world.${holon}`
        const measurements = await measure(db, await findEntity(db, holon))
        if (metric === undefined) return { handle, measurements, value: null }
        const value = Object.hasOwn(measurements, metric) ? measurements[metric] : undefined
        if (value === undefined) {
          throw new Failure(
            'NOT_FOUND',
            `Cannot measure "${metric.slice(0, 100)}" of ${handle}: there is no such number`,
            {
              suggestion: 'Use one of the available metrics',
              available: Object.keys(measurements).slice(0, 100),
            },
          )
        }
        return { handle, measurements: { [metric]: value }, value }
      },
    }),

    analyze: aspect({
      category: 'P',
      summary: 'What its state and metadata consist of, and how often it changed',
      effects: ['reads:entity'],
      input: NoInput,
      output: z.strictObject({
        handle: z.string(),
        entity_type: z.string(),
        /** JSON types by member. */
        state: z.record(z.string(), z.string()),
        metadata: z.record(z.string(), z.string()),
        changes: z.int().min(0),
        created_at: z.string(),
        updated_at: z.string(),
      }),
      examples: [{ summary: 'What is the house made of?', holon: 'house', input: {}, given: [HOUSE] }],
      async handle(_input, { db, holon }) {
        const { entity_type, state, metadata, changes, created_at, updated_at } = await findEntity(db, holon)
        return {
          handle: `world.${holon}`,
          entity_type,
          state: typesOf(state),
          metadata: typesOf(metadata),
          changes,
          created_at: created_at.toISOString(),
          updated_at: updated_at.toISOString(),
        }
      },
    }),

    demolish: aspect({
      category: 'M',
      summary: 'Tear it down, if the person who made it agrees',
      effects: ['deletes:entity', 'forces:entity'],
      owner: async (_input, { db, holon }) => (await findEntity(db, holon)).created_by,
      input: NoInput,
      output: z.strictObject({ handle: z.string(), demolished: z.literal(true) }),
      examples: [{ summary: 'Make room', holon: 'house', input: {}, given: [HOUSE] }],
      async handle(_input, call) {
        const { db, holon } = call
        await lockEntity(db, holon, true)
        await checkWithoutParts(db, holon)
        await db`delete from entities where name = ${holon}`
        await leavePlace(db, 'entity')
        call.changed(`world.${holon}`, null)
        return { handle: `world.${holon}`, demolished: true as const }
      },
    }),
  },
})

/** @throws Failure STATE_CONFLICT where the platform itself has a node of that name */
function checkFree(name: string, { platform }: Call): void {
  if (!platform.hasNode('world', name)) return
  throw new Failure('STATE_CONFLICT', `Cannot define "world.${name}": the platform has a node of that name`, {
    suggestion: 'Choose another name',
  })
}

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
    sizeOf(state) > LARGEST_STATE
      ? ['state', LARGEST_STATE]
      : sizeOf(metadata) > LARGEST_METADATA
        ? ['metadata', LARGEST_METADATA]
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

async function measure(db: Db, entity: Entity): Promise<Record<string, number>> {
  const { state, relations } = await stateOf(db, entity)
  const numbers = Object.entries(numbersIn(state)).map(([path, value]) => [`state.${path}`, value] as const)
  return {
    parts: await countParts(db, entity.name),
    relations: Object.values(relations).flat().length,
    changes: entity.changes,
    state_bytes: sizeOf(state),
    ...Object.fromEntries(numbers),
  }
}
