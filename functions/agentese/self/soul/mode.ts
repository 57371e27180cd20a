/** The mode that a person has chosen for its K-gent; never another person's. */
import type { Call } from '../../../../shared/contract/call.ts'
import type { Mode } from './persona.ts'

export async function modeOf({ db, identity }: Pick<Call, 'db' | 'identity'>): Promise<Mode> {
  const [soul] = await db<{ mode: Mode }[]>`select mode from souls where user_id = ${identity.user}`
  return soul?.mode ?? 'reflect'
}

export async function setMode(mode: Mode, { db, identity }: Pick<Call, 'db' | 'identity'>): Promise<void> {
  await db`
    insert into souls (tenant_id, user_id, mode) values (${identity.tenant}, ${identity.user}, ${mode})
    on conflict (tenant_id, user_id) do update set mode = excluded.mode`
}
