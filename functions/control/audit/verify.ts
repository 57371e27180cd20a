/**
 * Verifies a copy of an audit, with nothing of the platform but its public keys: `node verify.ts FILE...`.
 *
 * Files are answers as they came, in any order: pages of `GET /v1/audit/export`; `GET /v1/audit/head`, which says where the audit
 * stood, signed; `GET /.well-known/jwks.json` with the keys. Whoever has changed, removed or added a record cannot make the
 * hashes fit a head that was signed before. This file needs no other, so that it can be read and kept with a copy.
 */
import { createHash, createPublicKey, verify, type JsonWebKey } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { pathToFileURL } from 'node:url'

interface Entry {
  record: string
  previous: string
  hash: string
}
interface Page {
  tenant: string
  records: Entry[]
}
interface Head {
  tenant: string
  seq: number
  hash: string
  statement: string
}
interface KeySet {
  keys: (JsonWebKey & { kid?: string })[]
}

const ALGORITHMS: Record<string, string | null> = { EdDSA: null, ES256: 'sha256' }

/**
 * @returns what was found to be true, in one sentence
 * @throws Error that says what is wrong, and with which record
 */
export function verifyAudit(answers: readonly unknown[]): string {
  const pages = answers.filter((each): each is Page => has(each, 'records'))
  const heads = answers.filter((each): each is Head => has(each, 'statement'))
  const keys = answers.filter((each): each is KeySet => has(each, 'keys')).flatMap((set) => set.keys)
  if (pages.length + heads.length === 0)
    throw new Error('There is neither an export nor a head in these files')
  const tenants = new Set([...pages, ...heads].map(({ tenant }) => tenant))
  if (tenants.size !== 1) throw new Error('These files are of several tenants')
  const tenant = [...tenants].join()
  const hashes = verifyChain(
    tenant,
    pages.flatMap(({ records }) => records),
  )
  for (const head of heads) verifyHead(head, hashes, keys)
  const numbers = [...hashes.keys()]
  const range = numbers.length === 0 ? 'No record' : `Records ${numbers[0]} to ${numbers.at(-1)}`
  const against = heads.length === 0 ? 'no signed head was given' : `up to the head of record ${topOf(heads)}`
  return `${range} of tenant ${tenant}: unchanged, ${against}`
}

function has(value: unknown, member: string): boolean {
  return typeof value === 'object' && value !== null && Object.hasOwn(value, member)
}

function topOf(heads: readonly Head[]): number {
  return Math.max(...heads.map(({ seq }) => seq))
}

/** The hash of each record by its number, where each follows the one before. */
function verifyChain(tenant: string, entries: readonly Entry[]): Map<number, string> {
  const read = entries.map((entry) => ({
    ...entry,
    says: JSON.parse(entry.record) as { tenant: string; seq: number },
  }))
  read.sort((a, b) => a.says.seq - b.says.seq)
  const hashes = new Map<number, string>()
  for (const { record, previous, hash, says } of read) {
    const { seq } = says
    if (says.tenant !== tenant) throw new Error(`Record ${seq} is of another tenant`)
    if (hashes.has(seq)) throw new Error(`Record ${seq} is there twice`)
    if (hashes.size > 0 && !hashes.has(seq - 1)) throw new Error(`Record ${seq - 1} is missing`)
    if (hashes.size > 0 && hashes.get(seq - 1) !== previous)
      throw new Error(`Record ${seq} does not follow record ${seq - 1}`)
    const made = createHash('sha256').update(Buffer.from(previous, 'hex')).update(record).digest('hex')
    if (made !== hash) throw new Error(`Record ${seq} was changed`)
    hashes.set(seq, hash)
  }
  return hashes
}

function verifyHead(head: Head, hashes: ReadonlyMap<number, string>, keys: KeySet['keys']): void {
  const { tenant, seq, hash } = head
  const said = readStatement(head.statement, keys)
  if (said['sub'] !== tenant || said['seq'] !== seq || said['hash'] !== hash)
    throw new Error(`The head of record ${seq} is not what its statement says`)
  if (said['aud'] !== 'urn:kgents:audit')
    throw new Error(`The statement of record ${seq} is about something else`)
  if (hashes.size === 0 || seq === 0) return
  if (!hashes.has(seq))
    throw new Error(`Record ${seq} is missing, which was the last when the head was signed`)
  if (hashes.get(seq) !== hash) throw new Error(`Record ${seq} is not the one that was signed`)
}

/** What a JWT says that one of `keys` has signed. */
function readStatement(statement: string, keys: KeySet['keys']): Record<string, unknown> {
  const [header = '', payload = '', signature = ''] = statement.split('.')
  const { alg = '', kid } = parse(header)
  const jwk = keys.find((key) => key.kid === kid)
  const digest = ALGORITHMS[String(alg)]
  if (jwk === undefined)
    throw new Error(`The key "${String(kid)}" that has signed the head is not among those given`)
  if (digest === undefined) throw new Error(`The head is signed by "${String(alg)}", which is not known`)
  const key = { key: createPublicKey({ key: jwk, format: 'jwk' }), dsaEncoding: 'ieee-p1363' as const }
  const isGood = verify(digest, Buffer.from(`${header}.${payload}`), key, Buffer.from(signature, 'base64url'))
  if (!isGood) throw new Error('The signature of the head does not fit')
  return parse(payload)
}

function parse(part: string): Record<string, unknown> {
  return JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) {
  try {
    console.log(
      verifyAudit(process.argv.slice(2).map((file) => JSON.parse(readFileSync(file, 'utf8')) as unknown)),
    )
  } catch (error) {
    console.error(error instanceof Error ? error.message : error)
    process.exitCode = 1
  }
}
