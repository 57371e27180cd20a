/** The mode that a person has chosen for its K-gent; never another person's. */
import type { Call } from '../../../../shared/contract/call.ts'
import { requireFeature } from '../../../../shared/plans/features.ts'
import { MODES, type Mode } from './persona.ts'

/** The mode that every plan has. */
const DEFAULT: Mode = 'reflect'

/** What was chosen, as far as the tenant's plan still has it. */
export async function modeOf({ db, identity }: Pick<Call, 'db' | 'identity'>): Promise<Mode> {
  const [soul] = await db<{ mode: Mode }[]>`select mode from souls where user_id = ${identity.user}`
  const mode = soul?.mode ?? DEFAULT
  return identity.plan.features.includes(`soul.${mode}`) ? mode : DEFAULT
}

/** @throws Failure TIER_REQUIRED where the tenant's plan does not have that mode */
export async function requireMode(mode: Mode, call: Pick<Call, 'db' | 'identity'>): Promise<void> {
  const { features } = call.identity.plan
  const others = MODES.filter((each) => features.includes(`soul.${each}`))
  await requireFeature(`soul.${mode}`, `Cannot use mode "${mode}"`, call, others)
}

/** @throws Failure TIER_REQUIRED */
export async function setMode(mode: Mode, call: Pick<Call, 'db' | 'identity'>): Promise<void> {
  await requireMode(mode, call)
  const { db, identity } = call
  await db`
    insert into souls (tenant_id, user_id, mode) values (${identity.tenant}, ${identity.user}, ${mode})
    on conflict (tenant_id, user_id) do update set mode = excluded.mode`
}
