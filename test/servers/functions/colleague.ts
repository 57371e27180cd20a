/** A second person of a tenant: the same rows are in reach, and a person's own must not be. */
import { createApp } from '../../../shared/http/app.ts'
import { insertColleague, type Tenant, type World } from './world.ts'

/** Another person of the tenant, and its calls. */
export async function colleagueOf(
  tenant: Tenant,
  { owner, runtime }: Pick<World, 'owner' | 'runtime'>,
  role = 'developer',
): Promise<Pick<Tenant, 'calls'>> {
  const key = await insertColleague(owner, tenant, role)
  const app = createApp(runtime)
  return {
    async calls(method, path, body = {}, headers = {}) {
      const response = await app.request(path, {
        method,
        headers: { 'x-api-key': key, 'content-type': 'application/json', ...headers },
        body: JSON.stringify(body),
      })
      return { status: response.status, headers: response.headers, body: await response.json() }
    },
  }
}
