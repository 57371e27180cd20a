/** The rows of `world.*`: a tenant's entities, and what ties them to each other. */
import { similarPaths } from '../../../../shared/agentese/path.ts'
import type { Call } from '../../../../shared/contract/call.ts'
import type { Db } from '../../../../shared/database/database.ts'
import { Failure } from '../../../../shared/failures.ts'

export interface Entity {
  name: string
  entity_type: string
  description: string
  state: Record<string, unknown>
  metadata: Record<string, unknown>
  parent: string | null
  changes: number
  created_by: string
  created_at: Date
  updated_at: Date
}

export type NewEntity = Pick<Entity, 'name' | 'parent' | 'entity_type' | 'description' | 'state' | 'metadata'>

/** Names that an entity is tied to, by the kind of tie. */
type Relations = Record<string, string[]>

/** All that there is to know of an entity, as callers, subscribers and the past have it. */
export type EntityState = NewEntity & { handle: string; relations: Relations }

/** @throws Failure NOT_FOUND that names similar entities of this tenant */
export async function findEntity(db: Db, name: string): Promise<Entity> {
  const [entity] = await db<Entity[]>`select * from entities where name = ${name}`
  return entity ?? notFound(db, name)
}

/**
 * The entity, which nobody else changes until this transaction ends. `gone` is for who takes it away: then nothing can be
 * tied to it any more either.
 */
export async function lockEntity(db: Db, name: string, gone = false): Promise<Entity> {
  const lock = gone ? db`for update` : db`for no key update`
  const [entity] = await db<Entity[]>`select * from entities where name = ${name} ${lock}`
  return entity ?? notFound(db, name)
}

/** @throws Failure NOT_FOUND that names similar entities of this tenant, for the first of `names` that is none */
export async function checkEntities(db: Db, names: readonly string[]): Promise<void> {
  // The lock keeps them where they are until what is tied to them is written.
  const rows = await db<{ name: string }[]>`
    select name from entities where name in (select jsonb_array_elements_text(${db.json(names)}))
    order by name for key share`
  const missing = names.find((name) => !rows.some((row) => row.name === name))
  if (missing !== undefined) await notFound(db, missing)
}

/** Names before and after that are compared with one that is not there. */
const NEIGHBOURS = 500

async function notFound(db: Db, name: string): Promise<never> {
  const rows = await db<{ name: string }[]>`
    (select name from entities where name > ${name} order by name limit ${NEIGHBOURS})
    union all (select name from entities where name < ${name} order by name desc limit ${NEIGHBOURS})`
  const similar = similarPaths(
    name,
    rows.map((row) => row.name),
  )
  throw new Failure('NOT_FOUND', `Cannot find "world.${name}": there is no such entity`, {
    suggestion: `Make it with world.${name}.define, or use one of the available ones`,
    available: similar.map((each) => `world.${each}`),
  })
}

/** @throws Failure STATE_CONFLICT where there is one of that name */
export async function insertEntity(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  entity: NewEntity,
): Promise<void> {
  const { name, parent, entity_type, description, state, metadata } = entity
  const made = await db`
    insert into entities (tenant_id, name, parent, entity_type, description, state, metadata, created_by)
    values (${identity.tenant}, ${name}, ${parent}, ${entity_type}, ${description}, ${db.json(state)},
            ${db.json(metadata)}, ${identity.user})
    on conflict do nothing returning name`
  if (made.length > 0) return
  throw new Failure('STATE_CONFLICT', `Cannot define "world.${name}": it is there already`, {
    suggestion: `Change it with world.${name}.transform`,
  })
}

export async function updateEntity(db: Db, entity: EntityState): Promise<void> {
  const { name, description, state, metadata } = entity
  await db`
    update entities set description = ${description}, state = ${db.json(state)},
      metadata = ${db.json(metadata)}, changes = changes + 1, updated_at = now()
    where name = ${name}`
}

/** The entity with what it is tied to. */
export async function stateOf(db: Db, entity: Entity): Promise<EntityState> {
  const { name, entity_type, description, state, metadata, parent } = entity
  const relations = await relationsOf(db, name)
  return { handle: `world.${name}`, name, entity_type, description, state, metadata, parent, relations }
}

/** Those that an entity names itself, as far as they are there. */
async function relationsOf(db: Db, source: string): Promise<Relations> {
  const rows = await db<{ kind: string; target: string }[]>`
    select kind, target from entity_relations join entities on name = target
    where source = ${source} order by kind, target`
  // A kind may have the name of something that every object has.
  const byKind = Map.groupBy(rows, ({ kind }) => kind)
  return Object.fromEntries([...byKind].map(([kind, ties]) => [kind, ties.map(({ target }) => target)]))
}

/** Kinds of tie that one entity may have. */
export const MAX_KINDS = 64

/**
 * Puts the named kinds of tie in the place of what they were; null unties.
 *
 * @throws Failure NOT_FOUND where it would be tied to nothing, STATE_CONFLICT where its ties are of too many kinds
 */
export async function tie(
  { db, identity }: Pick<Call, 'db' | 'identity'>,
  source: string,
  relations: Readonly<Record<string, readonly string[] | null>>,
): Promise<void> {
  const kinds = Object.keys(relations)
  if (kinds.length === 0) return
  const ties = Object.entries(relations).flatMap(([kind, targets]) =>
    [...new Set(targets)].map((target) => ({ tenant_id: identity.tenant, source, kind, target })),
  )
  await checkEntities(db, [...new Set(ties.map(({ target }) => target))])
  await db`
    delete from entity_relations
    where source = ${source} and kind in (select jsonb_array_elements_text(${db.json(kinds)}))`
  if (ties.length === 0) return
  await db`insert into entity_relations ${db(ties)}`
  await checkKinds(db, source)
}

async function checkKinds(db: Db, source: string): Promise<void> {
  const [count] = await db<{ kinds: number }[]>`
    select count(distinct kind)::integer as kinds from entity_relations where source = ${source}`
  if ((count?.kinds ?? 0) <= MAX_KINDS) return
  throw new Failure(
    'STATE_CONFLICT',
    `Cannot tie "world.${source}": its ties are of ${MAX_KINDS} kinds already`,
    {
      suggestion: 'Untie a kind with null, or use fewer kinds',
    },
  )
}

export interface Related {
  relation: string
  direction: 'up' | 'down' | 'out' | 'in'
  name: string
}

/** What is around an entity, by relation, direction and name, from the first that comes after `after`. */
export function relatedTo(db: Db, name: string, target: string | undefined) {
  return db<Related[]>`
    select relation, direction, name from (
      select 'parent' collate "C" as relation, 'up' collate "C" as direction, parent as name
        from entities where name = ${name} and parent is not null
      union all select 'child', 'down', name from entities where parent = ${name}
      union all select r.kind, 'out', r.target from entity_relations r
        join entities e on e.name = r.target where r.source = ${name}
      union all select kind, 'in', source from entity_relations where target = ${name}
    ) as related
    where ${target ?? null}::text is null or name = ${target ?? null}::text`
}

export async function countParts(db: Db, name: string): Promise<number> {
  const [count] = await db<{ parts: number }[]>`
    select count(*)::integer as parts from entities where parent = ${name}`
  return count?.parts ?? 0
}

/** @throws Failure STATE_CONFLICT that names some of the parts */
export async function checkWithoutParts(db: Db, name: string): Promise<void> {
  const parts = await db<{ name: string }[]>`
    select name from entities where parent = ${name} order by name limit 20`
  if (parts.length === 0) return
  throw new Failure('STATE_CONFLICT', `Cannot demolish "world.${name}": it has parts`, {
    suggestion: 'Demolish its parts first',
    available: parts.map((part) => `world.${part.name}`),
  })
}
