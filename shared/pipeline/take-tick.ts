/** Takes a tick: runs what is due, tenant by tenant. */
import { newId } from '../new-id.ts'
import { transactApart } from '../calls/create-call.ts'
import type { Runtime } from '../calls/runtime.ts'
import { partsOf } from './take-event.ts'

/**
 * Runs the tick of every function of this process. One tenant's failure is logged and keeps no other from its turn;
 * it is tried again with the next tick.
 */
export async function takeTick(runtime: Runtime, signal: AbortSignal): Promise<void> {
  for (const definition of runtime.functions) {
    const { tick } = definition
    if (tick === undefined) continue
    const due = await runtime.database.everywhere<{ tenant: string }>(
      (sql) => sql`select tenant from ${sql(tick.tenants)}() as due (tenant)`,
      (error) =>
        runtime.log.error({ err: error, function: definition.name }, 'a database was not asked what is due'),
    )
    const tenants = new Map(due.map((row) => [row.tenant, row])).values()
    for (const { tenant } of tenants) {
      const parts = partsOf({ id: newId(), tenantid: tenant }, definition, tick.needs, runtime, signal)
      await transactApart(parts, 'write', (call) => tick.handle(call)).catch((error: unknown) =>
        runtime.log.error({ err: error, tenant }, 'a tick failed'),
      )
    }
  }
}
