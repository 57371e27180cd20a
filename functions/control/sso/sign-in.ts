/**
 * Signing in by a provider. What the answer must fit goes to the browser and back in a cookie that only this platform can read or
 * make, so an answer is good in the browser that began and nowhere else; each is taken once.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import type { Call } from '../../../shared/contract/call.ts'
import type { SetCookie } from '../../../shared/contract/cookie.ts'
import { Failure } from '../../../shared/failures.ts'
import type { Identity } from '../../../shared/identity/identity.ts'
import { admit, checkRole } from './admit.ts'
import { readPerson } from './claims.ts'
import { beginSignIn, finishSignIn } from './oidc.ts'
import { listProviders, type ProviderRow } from './providers.ts'
import { readReturnTo } from './return-to.ts'
import { addSession, cookiesOf } from './sessions.ts'
import { findTenant, noProvider } from './tenant.ts'

const GOOD_SECONDS = 600
/** What is sealed belongs to no tenant yet. */
const NO_TENANT = '00000000-0000-0000-0000-000000000000'

type Outside = Pick<
  Call,
  'actFor' | 'ofNoTenant' | 'browser' | 'requestOutside' | 'privateOrigins' | 'secretBox' | 'address'
>

const Began = z.object({
  tenant: z.string(),
  provider: z.uuid(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  return_to: z.string(),
  until: z.number(),
})

/** Where a browser is sent, and the cookies that it is given. */
export interface SentOn {
  location: string
}

const COOKIES = new WeakMap<SentOn, readonly SetCookie[]>()

export function cookiesOfSignIn(sent: SentOn): readonly SetCookie[] {
  return COOKIES.get(sent) ?? []
}

function sendOn(location: string, cookies: readonly SetCookie[]): SentOn {
  const sent = { location }
  COOKIES.set(sent, cookies)
  return sent
}

interface Wanted {
  tenant: string
  provider?: string | undefined
  return_to: string
}

export async function beginAtProvider(wanted: Wanted, call: Outside): Promise<SentOn> {
  const { origin } = call.browser
  const return_to = readReturnTo(wanted.return_to, origin)
  const identity = await findTenant(wanted.tenant, call)
  const provider = await findProvider(wanted, identity, call)
  const { url, state, nonce, verifier } = await beginSignIn(provider, origin, reachingFor(identity, call))
  const until = Date.now() + GOOD_SECONDS * 1000
  const began = { tenant: wanted.tenant, provider: provider.id, state, nonce, verifier, return_to, until }
  const sealed = call.secretBox.seal(NO_TENANT, 'sign-in', JSON.stringify(began)).toString('base64url')
  return sendOn(url, [{ cookie: 'sign-in', value: sealed, maxAgeSeconds: GOOD_SECONDS }])
}

/** @throws Failure NOT_FOUND; STATE_CONFLICT where the tenant has several and none is named */
async function findProvider(
  { tenant, provider: name }: Pick<Wanted, 'tenant' | 'provider'>,
  identity: Identity,
  { actFor }: Outside,
): Promise<ProviderRow> {
  const all = await actFor(identity, 'read', (call) => listProviders(call))
  const [found, second] = name === undefined ? all : all.filter((each) => each.name === name)
  if (found === undefined) throw noProvider(tenant)
  if (second === undefined) return found
  throw new Failure('STATE_CONFLICT', `Cannot sign in to "${tenant}": it has several identity providers`, {
    suggestion: '"provider" is required',
    available: all.map((each) => each.name),
  })
}

/** @param parameters of the provider's answer */
export async function finishAtProvider(parameters: Record<string, string>, call: Outside): Promise<SentOn> {
  const began = readBegan(call)
  const identity = await findTenant(began.tenant, call)
  const all = await call.actFor(identity, 'read', (own) => listProviders(own))
  const provider = all.find(({ id }) => id === began.provider)
  if (provider === undefined) throw noProvider(began.tenant)
  const answer = { origin: call.browser.origin, parameters }
  const claims = await finishSignIn(provider, began, answer, reachingFor(identity, call))
  const person = readPerson(claims, provider.groups_claim)
  const admitted = await call.actFor(identity, 'write', async (own) => {
    await useOnce(began, own)
    return admit(person, provider, own)
  })
  checkRole(admitted, provider)
  const opened = await call.actFor({ ...identity, ...admitted, user: admitted.id }, 'write', (own) =>
    addSession(own.identity, 'sso', own),
  )
  return sendOn(began.return_to, [...cookiesOf(opened), { cookie: 'sign-in', value: null }])
}

/** @throws Failure CREDENTIALS_INVALID where this browser has not begun, or too long ago */
function readBegan({ browser: { signIn }, secretBox }: Outside): z.infer<typeof Began> {
  if (signIn === undefined) throw notBegun('this browser has not begun it')
  let text: string
  try {
    text = secretBox.open(NO_TENANT, 'sign-in', Buffer.from(signIn, 'base64url'))
  } catch {
    throw notBegun('its cookie is not one of ours')
  }
  const began = Began.parse(JSON.parse(text))
  if (began.until < Date.now()) throw notBegun(`it took longer than ${GOOD_SECONDS / 60} minutes`)
  return began
}

/** @throws Failure CREDENTIALS_INVALID where the same answer was taken before */
async function useOnce(
  { state, until }: { state: string; until: number },
  { db, identity }: Pick<Call, 'db' | 'identity'>,
) {
  const hash = createHash('sha256').update(state).digest()
  await db`delete from used_sign_ins where expires_at < now()`
  const used = await db`
    insert into used_sign_ins (tenant_id, state_hash, expires_at)
    values (${identity.tenant}, ${hash}, ${new Date(until)}) on conflict do nothing returning state_hash`
  if (used.length === 0) throw notBegun('its answer was taken before')
}

function notBegun(why: string): Failure {
  return new Failure('CREDENTIALS_INVALID', `Cannot sign in: ${why}`, {
    suggestion: 'Begin again with GET /v1/auth/login',
    challenge: 'Bearer',
  })
}

/** What it takes to reach a provider; the members of a call cannot be spread. */
function reachingFor(identity: Identity, { requestOutside, privateOrigins, secretBox }: Outside) {
  return { identity, requestOutside, privateOrigins, secretBox }
}
