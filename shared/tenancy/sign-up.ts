/** Makes a tenant for whoever signs up, within limits that hold for all who come at once. */
import { isIPv6 } from 'node:net'
import type { Runtime } from '../calls/runtime.ts'
import { transactApart } from '../calls/create-call.ts'
import { newId } from '../new-id.ts'
import { partsOf } from '../pipeline/take-event.ts'
import type { MadeIds, SignedUp, SignUp } from '../contract/sign-up.ts'
import { describeNew } from './new-tenant.ts'
import { provision } from './provisioning.ts'

export interface SignUpLimits {
  isOpen: boolean
  /** In a day. */
  perNetwork: number
  perHour: number
}

/** Tries of one network in a minute, whatever they come to: they are refused before the database is asked. */
const TRIES_PER_MINUTE = 120

/** Makes the tenant, and does the steps that are left; those that fail are done by the next tick. */
export async function signUp(runtime: Runtime, wanted: SignUp, limits: SignUpLimits): Promise<SignedUp> {
  if (!limits.isOpen) return { refused: 'closed' }
  const { address, ...tenant } = wanted
  const network = networkOf(address)
  const tries = await runtime.limiter.takeOfKey(`sign-up:${network}`, TRIES_PER_MINUTE)
  if (!tries.allowed) return { refused: 'network_full' }
  const facts = address === undefined ? {} : { address }
  const { ids, made } = describeNew({ ...tenant, tier: 'free', keyName: 'first key' }, facts)
  const [row] = await runtime.database.sql<{ outcome: 'made' | 'taken' | 'network_full' | 'full' }[]>`
    select sign_up(${JSON.stringify(made)}::text::jsonb, ${network ?? null}, ${limits.perNetwork}, ${limits.perHour}) as outcome`
  const outcome = row?.outcome ?? 'full'
  if (outcome !== 'made') return { refused: outcome }
  await finish(runtime, ids)
  return ids
}

async function finish(runtime: Runtime, { tenant }: MadeIds): Promise<void> {
  const definition = runtime.functions.find(({ needs }) => needs.includes('registration'))
  if (definition === undefined) return
  const { signal } = new AbortController()
  const parts = partsOf(
    { id: newId(), tenantid: tenant },
    definition,
    ['postgres', 'events'],
    runtime,
    signal,
  )
  await provision((mode, work) => transactApart(parts, mode, work)).catch((error: unknown) =>
    runtime.log.error({ err: error, tenant }, 'a step of provisioning failed; a tick repeats it'),
  )
}

/** What counts as one: an IPv4 address, and of IPv6 the 64 bits that one customer has at least. */
function networkOf(address: string | undefined): string | undefined {
  if (address === undefined || !isIPv6(address)) return address
  const mapped = /^::ffff:(?<v4>[\d.]+)$/i.exec(address)?.groups?.['v4']
  if (mapped !== undefined) return mapped
  // The parser writes every form in one way, in which one run of zeros is `::`.
  const [before = '', after] = new URL(`http://[${address.split('%')[0]}]/`).hostname.slice(1, -1).split('::')
  const head = before.split(':').filter((group) => group !== '')
  const tail = (after ?? '').split(':').filter((group) => group !== '')
  const zeros = after === undefined ? 0 : 8 - head.length - tail.length
  const groups = [...head, ...Array.from({ length: zeros }, () => '0'), ...tail]
  return `${groups.slice(0, 4).join(':')}::`
}
