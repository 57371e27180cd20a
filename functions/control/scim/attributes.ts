/**
 * Reads what directories send. Names of attributes know no case, and are written with or without their schema. What is not kept
 * here, such as a telephone number, is ignored: a directory sends all that it has.
 */
import { z } from 'zod'
import { isJsonObject } from '../../../shared/exact-json.ts'
import { Address } from '../members/rows.ts'
import { invalid } from './errors.ts'

const Text = z.string().trim().min(1).max(200)

/** What is kept of a person; undefined is what a change leaves as it is, null what it removes. */
export interface UserAttributes {
  userName?: string
  externalId?: string | null
  displayName?: string | null
  givenName?: string | null
  familyName?: string | null
  email?: string
  active?: boolean
}

/** How each attribute is read, by its path in lower case. */
const USER: Record<string, (value: unknown) => UserAttributes> = {
  username: (value) => ({ userName: text('userName', value) }),
  externalid: (value) => ({ externalId: textOrNull('externalId', value) }),
  displayname: (value) => ({ displayName: textOrNull('displayName', value) }),
  'name.formatted': (value) => ({ displayName: textOrNull('name.formatted', value) }),
  'name.givenname': (value) => ({ givenName: textOrNull('name.givenName', value) }),
  'name.familyname': (value) => ({ familyName: textOrNull('name.familyName', value) }),
  name: (value) => (isJsonObject(value) ? readUser(value, 'name.') : {}),
  emails: (value) => ({ email: address(primaryOf(value)) }),
  'emails.value': (value) => ({ email: address(value) }),
  active: (value) => ({ active: truth(value) }),
}

/** All that is said of a person in `given`. */
export function readUser(given: Record<string, unknown>, prefix = ''): UserAttributes {
  const attributes: UserAttributes = {}
  for (const [name, value] of Object.entries(given)) {
    // The name that a directory shows wins over the formatted one.
    const read = readAttribute(`${prefix}${name}`, value)
    Object.assign(attributes, 'displayName' in attributes ? withoutName(read, name) : read)
  }
  return attributes
}

function withoutName({ displayName, ...rest }: UserAttributes, name: string): UserAttributes {
  return displayName === undefined || name.toLowerCase() === 'displayname'
    ? { ...rest, ...(displayName === undefined ? {} : { displayName }) }
    : rest
}

function readAttribute(path: string, value: unknown): UserAttributes {
  const name = simple(path)
  return Object.hasOwn(USER, name) ? (USER[name]?.(value) ?? {}) : {}
}

/** `urn:...:User:emails[type eq "work"].value` as `emails.value`. */
export function simple(path: string): string {
  return path
    .replace(/^urn:[^[]*:(?=[^:]+$)/i, '')
    .replace(/\[[^\]]*\]/, '')
    .toLowerCase()
}

const Operation = z.object({
  op: z
    .string()
    .toLowerCase()
    .pipe(z.enum(['add', 'replace', 'remove'])),
  path: z
    .string()
    .max(500)
    .regex(/^[A-Za-z][\w:.$-]*(\[[^\]]{1,300}\])?(\.[A-Za-z]\w*)?$/, 'is no path')
    .optional(),
  value: z.unknown().optional(),
})
export type Operation = z.infer<typeof Operation>

const MAX_OPERATIONS = 1000

/** The operations of a PATCH. @throws Failure TYPE_MISMATCH */
export function readOperations(body: Record<string, unknown>): Operation[] {
  const [, given] = Object.entries(body).find(([name]) => name.toLowerCase() === 'operations') ?? []
  const operations = z.array(Operation).min(1).max(MAX_OPERATIONS).safeParse(given)
  if (operations.success) return operations.data
  const isPath = operations.error.issues.some(({ path }) => path.at(-1) === 'path')
  throw invalid(
    isPath ? 'invalidPath' : 'invalidSyntax',
    'its "Operations" are not add, replace or remove with a path',
  )
}

/** What the operations of a PATCH come to, the last of them last. */
export function readUserChanges(operations: readonly Operation[]): UserAttributes {
  const changes: UserAttributes = {}
  for (const { op, path, value } of operations) {
    if (path !== undefined)
      Object.assign(changes, op === 'remove' ? removed(path) : readAttribute(path, value))
    else if (op !== 'remove' && isJsonObject(value)) Object.assign(changes, readUser(value))
    else throw invalid('noTarget', 'an operation has neither a path nor attributes')
  }
  return changes
}

function removed(path: string): UserAttributes {
  const name = simple(path)
  if (['username', 'emails', 'emails.value'].includes(name))
    throw invalid('mutability', `"${path}" cannot be removed`)
  if (name === 'active' || !Object.hasOwn(USER, name)) return {}
  return name === 'name' ? { givenName: null, familyName: null } : (USER[name]?.(null) ?? {})
}

function text(name: string, value: unknown): string {
  const read = Text.safeParse(value)
  if (read.success) return read.data
  throw invalid('invalidValue', `"${name}" has to be a text of 1 to 200 characters`)
}

function textOrNull(name: string, value: unknown): string | null {
  return value === null || value === '' ? null : text(name, value)
}

/** Some directories write a truth as text. */
function truth(value: unknown): boolean {
  const word = String(value).toLowerCase()
  if (word === 'true' || word === 'false') return word === 'true'
  throw invalid('invalidValue', '"active" has to be true or false')
}

export function address(value: unknown): string {
  const read = Address.safeParse(value)
  if (read.success) return read.data
  throw invalid('invalidValue', 'an address of "emails" is no e-mail address')
}

/** The address that is marked as the primary one, or the first. */
function primaryOf(value: unknown): unknown {
  const all: Record<string, unknown>[] = (Array.isArray(value) ? value : [value]).map((each: unknown) =>
    isJsonObject(each) ? each : { value: each },
  )
  const isPrimary = (each: Record<string, unknown>) => String(each['primary']).toLowerCase() === 'true'
  return (all.find(isPrimary) ?? all[0])?.['value']
}
