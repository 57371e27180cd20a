/**
 * Programs without a browser (RFC 8628): one shows a code, and a person who is signed in approves it. Codes have 10 letters of 20, none
 * of them a vowel: 43 bits, good for 10 minutes, and tried at most 30 times a minute by one address.
 */
import { createHash, randomBytes, randomInt } from 'node:crypto'
import type { Call } from '../../../shared/contract/call.ts'
import { Failure } from '../../../shared/failures.ts'
import { newId } from '../../../shared/new-id.ts'
import { requireScopes } from '../../../shared/pipeline/check-access.ts'
import { recordAudit, type Audited } from '../audit/record.ts'

const GOOD_SECONDS = 600
const INTERVAL_SECONDS = 5
const LETTERS = 'BCDFGHJKLMNPQRSTVWXZ'
const CODE_LENGTH = 10

interface Wanted {
  scope?: string | undefined
  client_id?: string | undefined
}

/** Begins a request that belongs to nobody yet. */
export async function beginDevice(wanted: Wanted, call: Pick<Call, 'ofNoTenant' | 'browser' | 'address'>) {
  const { scope, client_id = null } = wanted
  const { ofNoTenant: sql, browser, address = null } = call
  const deviceCode = `kgd_${randomBytes(32).toString('base64url')}`
  const letters = Array.from({ length: CODE_LENGTH }, () => LETTERS[randomInt(LETTERS.length)]).join('')
  const scopes = scope === undefined ? null : sql.json(scope.split(' '))
  await sql`
    select begin_device_request(${newId()}, ${hashOf(deviceCode)}, ${hashOf(letters)}, ${scopes}, ${client_id},
      ${address}, ${INTERVAL_SECONDS}, ${GOOD_SECONDS})`
  const userCode = `${letters.slice(0, CODE_LENGTH / 2)}-${letters.slice(CODE_LENGTH / 2)}`
  const page = `${browser.origin}/console#/device`
  return {
    device_code: deviceCode,
    user_code: userCode,
    verification_uri: page,
    verification_uri_complete: `${page}?user_code=${userCode}`,
    expires_in: GOOD_SECONDS,
    interval: INTERVAL_SECONDS,
  }
}

function hashOf(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}

/** As people type it: in any case, with or without what stands between. */
function hashOfUserCode(code: string): Buffer {
  return hashOf(code.toUpperCase().replaceAll(/[^A-Z]/g, ''))
}

interface DeviceRow {
  id: string
  scopes: string[] | null
  client: string | null
  address: string | null
  created_at: Date
  expires_at: Date
}

/** @throws Failure NOT_FOUND where nothing waits under that code */
async function find(code: string, { db }: Pick<Call, 'db'>): Promise<DeviceRow> {
  const [row] = await db<DeviceRow[]>`select * from find_device_request(${hashOfUserCode(code)})`
  if (row !== undefined) return row
  throw new Failure('NOT_FOUND', 'Cannot find a program that waits under this code', {
    suggestion: 'Check the code, or have the program show a new one; codes are good for 10 minutes',
  })
}

/** What waits under a code, for a person to decide on. */
export async function showDevice(code: string, call: Pick<Call, 'db'>) {
  const { scopes, client, address, created_at, expires_at } = await find(code, call)
  return {
    client,
    address,
    scopes,
    created_at: created_at.toISOString(),
    expires_at: expires_at.toISOString(),
  }
}

/**
 * Approves or denies a program, in the name of the caller. It gets no more than the caller has now.
 *
 * @throws Failure NOT_FOUND; SCOPE_MISSING where the caller's own credential is narrower
 */
export async function decideDevice(code: string, approves: boolean, call: Audited) {
  const { db, identity } = call
  const { id, scopes, client, address } = await find(code, call)
  await checkPerson(call)
  if (approves)
    requireScopes(
      'sso-devices.approve',
      scopes ?? ['*:*'],
      identity.scopes === undefined ? undefined : identity,
    )
  const granted = scopes === null ? null : db.json(scopes)
  const [decided] = await db<{ done: boolean }[]>`
    select decide_device_request(${id}, ${identity.user}, ${granted}, ${approves}) as done`
  if (decided?.done !== true)
    throw new Failure('STATE_CONFLICT', 'Cannot decide on this program: somebody has just done so')
  recordAudit(call, approves ? 'device.approved' : 'device.denied', id, { client, address, scopes })
  return { approved: approves }
}

/** A key of the tenant would give a program what no person has approved. */
async function checkPerson({ db, identity }: Audited): Promise<void> {
  const [person] = await db`select from users where id = ${identity.user} and kind = 'person'`
  if (person !== undefined) return
  throw new Failure('AFFORDANCE_DENIED', 'Cannot decide on a program: you call by a key of the tenant', {
    suggestion: 'Have a person do it',
  })
}
