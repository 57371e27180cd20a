/**
 * Provisioning: what a new tenant is given, step by step. Each step commits by itself together with the note that it is done,
 * so that one which was interrupted has done nothing and is done again: by whoever made the tenant, or else by a tick.
 */
import type { Given, Transact } from '../contract/call.ts'
import { TENANT_EVENTS } from '../events/event.ts'
import { periodOf } from '../plans/allowance.ts'
import { STEP_NAMES, type StepName } from './step-names.ts'

type StepNeeds = 'postgres' | 'events'
type StepCall = Given<StepNeeds>

/** What each step does. Doing it twice must do no harm: others may have done the same since. */
const STEPS: Record<StepName, (call: StepCall) => Promise<unknown>> = {
  /** A full pool of chance. */
  entropy: ({ db, identity: { tenant } }) => db`
    insert into entropy_pools (tenant_id) values (${tenant}) on conflict do nothing`,

  /** What the plan grants of tokens this month. */
  allowance: ({ db, identity: { tenant, plan } }) => db`
      insert into allowances (tenant_id, resource, period, granted)
      values (${tenant}, 'tokens', ${periodOf(new Date())}, ${plan.limits.tokensPerMonth}) on conflict do nothing`,

  /** The word of it, for whoever has something to do then. */
  async event({ db, emit }) {
    const [row] = await db<
      { slug: string; name: string; tier: string }[]
    >`select slug, name, tier from tenants`
    if (row !== undefined) emit(TENANT_EVENTS.provisioned, { ...row })
  },
}

/** Does the steps that a tenant still needs; where one fails, that is noted, and the others wait for it. */
export async function provision(transact: Transact<StepNeeds>): Promise<void> {
  for (;;) {
    const step = await transact('read', nextStep)
    if (step === undefined) return
    try {
      await transact('write', (call) => doStep(step, call))
    } catch (error) {
      await transact('write', (call) => noteFailure(step, error, call))
      throw error
    }
  }
}

async function nextStep({ db }: Pick<StepCall, 'db'>): Promise<string | undefined> {
  const [row] = await db<{ step: string }[]>`
    select step from provisioning_steps where done_at is null order by position limit 1`
  return row?.step
}

async function doStep(step: string, call: StepCall): Promise<void> {
  const { db } = call
  // Whoever comes second waits here, and then finds it done.
  const [open] = await db`select from provisioning_steps where step = ${step} and done_at is null for update`
  if (open === undefined) return
  if (!isStep(step)) throw new TypeError(`There is no step "${step}" of provisioning in this version`)
  await STEPS[step](call)
  await db`update provisioning_steps set done_at = now(), attempts = attempts + 1, error = null where step = ${step}`
}

async function noteFailure(step: string, error: unknown, { db }: Pick<StepCall, 'db'>): Promise<void> {
  const message = error instanceof Error ? error.message.slice(0, MAX_ERROR) : 'unknown'
  await db`
    update provisioning_steps set attempts = attempts + 1, error = ${message}, tried_at = now() where step = ${step}`
}

const MAX_ERROR = 500

function isStep(name: string): name is StepName {
  return (STEP_NAMES as readonly string[]).includes(name)
}
