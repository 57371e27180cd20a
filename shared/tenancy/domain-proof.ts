/**
 * Whether a domain is its claimant's: by a TXT record at `_kgents-challenge.<domain>`, or a file at
 * `https://<domain>/.well-known/kgents-challenge`. Either has the challenge of the claim, which no other tenant's has.
 */
import { randomBytes } from 'node:crypto'
import type { Call } from '../contract/call.ts'
import { Failure } from '../failures.ts'

export const METHODS = ['dns', 'file'] as const
export type Method = (typeof METHODS)[number]

const PREFIX = 'kgents-challenge='
const MAX_FILE_BYTES = 4096
const TIMEOUT_SECONDS = 5

export function createChallenge(): string {
  return `${PREFIX}${randomBytes(24).toString('base64url')}`
}

/** Where the challenge belongs. */
export function placesOf(domain: string) {
  return { dns: `_kgents-challenge.${domain}`, file: `https://${domain}/.well-known/kgents-challenge` }
}

/** What a check has found; `unknown` where neither place gave an answer, which proves nothing in either direction. */
export type Found = Method | 'none' | 'unknown'

/** Looks into both places, DNS first. */
export async function findProof(
  domain: string,
  challenge: string,
  call: Pick<Call, 'resolveText' | 'requestOutside' | 'signal'>,
): Promise<Found> {
  const places = placesOf(domain)
  const byDns = await attempt(async () =>
    (await call.resolveText(places.dns)).some((text) => text.trim() === challenge),
  )
  if (byDns === true) return 'dns'
  const byFile = await attempt(() => isInFile(places.file, challenge, call))
  if (byFile === true) return 'file'
  return byDns === undefined && byFile === undefined ? 'unknown' : 'none'
}

/** From the domain itself: a redirect could lead to whoever somebody else chose. */
async function isInFile(
  url: string,
  challenge: string,
  { requestOutside, signal }: Pick<Call, 'requestOutside' | 'signal'>,
): Promise<boolean> {
  const { status, body } = await requestOutside({
    url,
    method: 'GET',
    headers: { accept: 'text/plain' },
    timeoutSeconds: TIMEOUT_SECONDS,
    maxBytes: MAX_FILE_BYTES,
    maxRedirects: 0,
    signal,
  })
  return (
    status === 200 &&
    body
      .toString('utf8')
      .split(/\r?\n/)
      .some((line) => line.trim() === challenge)
  )
}

/** What `look` has found; undefined where there was no answer. */
async function attempt(look: () => Promise<boolean>): Promise<boolean | undefined> {
  try {
    return await look()
  } catch (error) {
    if (error instanceof Failure) return undefined
    throw error
  }
}
