/** Crystals as they are kept and shown. One belongs to the person whose marks it is made of, and nobody else is shown it. */
import { z } from 'zod'
import type { Call } from '../../../../shared/contract/call.ts'
import { orderBy, type Bounds } from '../../../../shared/contract/pages.ts'

/** What a crystal counts in its marks; `paths` has the most frequent ones. */
export const Counts = z.strictObject({
  marks: z.int(),
  success: z.int(),
  failure: z.int(),
  refusal: z.int(),
  tokens: z.number(),
  paths: z.record(z.string(), z.int()),
})
export type Counts = z.infer<typeof Counts>

export const Crystal = z.strictObject({
  id: z.uuid(),
  level: z.union([z.literal(0), z.literal(1)]).describe('0 is of a session, 1 of a day'),
  starts_at: z.string(),
  ends_at: z.string(),
  sources: z.array(z.uuid()).describe('Marks of level 0, crystals of level 1'),
  session: z.uuid().nullable(),
  part_of: z.uuid().nullable().describe('The crystal of its day'),
  counts: Counts,
  summary: z.string(),
  model: z
    .string()
    .nullable()
    .describe('Which has written the summary; null where it follows from the counts'),
})
export type Crystal = z.infer<typeof Crystal>

export interface CrystalRow {
  id: string
  level: 0 | 1
  starts_at: Date
  ends_at: Date
  sources: string[]
  session_id: string | null
  part_of: string | null
  counts: Counts
  summary: string
  model: string | null
}

/** Crystals of which a context is made, at most. */
const MAX_NEWEST = 200

export const NEWEST_FIRST = orderBy({ ends_at: 'timestamptz', id: 'uuid' }, 'desc')

/** Crystals of the caller, newest first. */
export async function listCrystals(
  { level, ...bounds }: Bounds & { level?: number | undefined },
  { db, identity }: Pick<Call, 'db' | 'identity'>,
) {
  const rows = db<CrystalRow[]>`
    select id, level, starts_at, ends_at, to_json(sources) as sources, session_id, part_of, counts, summary, model from crystals
    where user_id = ${identity.user} and (${level ?? null}::int is null or level = ${level ?? null}::int)`
  const { page, next_cursor } = await NEWEST_FIRST.readPage(db, rows, bounds)
  return { crystals: page.map(describeCrystal), next_cursor }
}

/** The newest crystals of the caller. */
export async function findNewest(call: Pick<Call, 'db' | 'identity'>): Promise<Crystal[]> {
  return (await listCrystals({ limit: MAX_NEWEST }, call)).crystals
}

/** A crystal of the caller; undefined where it has none of this id. */
export async function findCrystal(
  id: string,
  { db, identity }: Pick<Call, 'db' | 'identity'>,
): Promise<Crystal | undefined> {
  const [row] = await db<CrystalRow[]>`
    select id, level, starts_at, ends_at, to_json(sources) as sources, session_id, part_of, counts, summary, model from crystals
    where id = ${id} and user_id = ${identity.user}`
  return row === undefined ? undefined : describeCrystal(row)
}

function describeCrystal({ starts_at, ends_at, session_id, ...row }: CrystalRow): Crystal {
  return {
    ...row,
    starts_at: starts_at.toISOString(),
    ends_at: ends_at.toISOString(),
    session: session_id,
  }
}
