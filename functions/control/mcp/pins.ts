/** Tools of an API key: paths that its tenant chose, each under a name that clients of every kind take. */
import { z } from 'zod'
import type { Given, Call } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'
import { findKey } from '../api-keys/rows.ts'
import { findPath } from '../logos/resolve.ts'
import type { Serving } from './serving.ts'

/** Of one key: a model reads the contracts of all of them with every question. */
const MAX_PINS = 32
/** Characters that clients allow in a name of a tool. */
const MAX_NAME = 64

const Pin = z.strictObject({ name: z.string(), path: z.string() })
type Pin = z.infer<typeof Pin>

export const Pins = z.strictObject({ key: z.uuid(), tools: z.array(Pin) })
export const NewPins = z.strictObject({ key: z.uuid(), paths: z.array(z.string().max(200)).max(MAX_PINS) })

type Pinning = Pick<Call, 'db' | 'identity'>

export async function readPins(key: string, call: Pinning): Promise<z.infer<typeof Pins>> {
  await findKey(key, isAdmin(call), call)
  return { key, tools: await rowsOf(key, call) }
}

/** @throws Failure NOT_FOUND for a key that is not the caller's, NODE_NOT_REGISTERED for a path, TYPE_MISMATCH for a name */
export async function replacePins(
  { key, paths }: z.infer<typeof NewPins>,
  call: Pinning & Pick<Given<'catalog'>, 'findAspect' | 'catalog'>,
): Promise<z.infer<typeof Pins>> {
  await findKey(key, isAdmin(call), call)
  const pins = paths.map((path) => ({ name: nameOf(path), path }))
  checkDistinct(pins)
  for (const path of paths) await findPath(path, call)
  const { db, identity } = call
  await db`delete from mcp_pins where key_id = ${key}`
  await db`
    insert into mcp_pins (tenant_id, key_id, name, path)
    select ${identity.tenant}, ${key}, pin ->> 'name', pin ->> 'path' from jsonb_array_elements(${db.json(pins)}) as pin`
  return { key, tools: await rowsOf(key, call) }
}

/** Those of the key that the caller uses, or that its token was exchanged for. */
export async function pinsOf({ identity, transact }: Serving): Promise<Pin[]> {
  const { key } = identity
  return key === undefined ? [] : transact('read', (reading) => rowsOf(key.id, reading))
}

async function rowsOf(key: string, { db }: Pick<Call, 'db'>): Promise<Pin[]> {
  const rows = await db<Pin[]>`select name, path from mcp_pins where key_id = ${key} order by name`
  return rows.map(({ name, path }) => ({ name, path }))
}

function isAdmin({ identity }: Pick<Call, 'identity'>): boolean {
  return identity.permissions.includes('tenant:admin')
}

function nameOf(path: string): string {
  const name = path.replaceAll(/[^a-z0-9_]/g, '_')
  if (name.length <= MAX_NAME) return name
  throw new Failure(
    'TYPE_MISMATCH',
    `Cannot pin "${path}": a name of a tool has ${MAX_NAME} characters at most`,
    {
      suggestion: 'Call it with the tool invoke',
    },
  )
}

/** @throws Failure TYPE_MISMATCH where two paths would have one name: `world.a_b.c` and `world.a.b_c` */
function checkDistinct(pins: readonly Pin[]): void {
  const twice = pins.find(({ name }, at) => pins.findIndex((each) => each.name === name) !== at)
  if (twice === undefined) return
  throw new Failure('TYPE_MISMATCH', `Cannot pin "${twice.path}": there is another tool "${twice.name}"`, {
    suggestion: 'Pin one of the two',
  })
}
