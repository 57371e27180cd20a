/** What a deploy would change, and whether the API server takes it: everything is asked before anything is written. */
import { Conflict, Refused } from './api-errors.ts'
import { splitBySomebody } from './canary.ts'
import type { Deploy } from './deploy.ts'
import { NAMESPACE, SERVICE, type Service } from './objects.ts'
import { isSame, phaseOf } from './service-state.ts'

export interface Change {
  name: string
  isNew: boolean
}

/** @throws Refused with all that is wrong with all Services */
export async function preview(services: readonly Service[], deploy: Deploy): Promise<Change[]> {
  const changes: Change[] = []
  const refused: string[] = []
  for (const service of services) {
    try {
      const change = await previewOne(service, deploy)
      if (change !== undefined) changes.push(change)
    } catch (error) {
      // It changes just now; what comes of it is seen when it is its turn.
      if (error instanceof Conflict) continue
      if (!(error instanceof Refused)) throw error
      refused.push(`${service.metadata.name}: ${error.message}`)
    }
  }
  if (refused.length > 0) throw new Refused(`Nothing is changed:\n${refused.join('\n')}`)
  return changes
}

async function previewOne(service: Service, { api, report }: Deploy): Promise<Change | undefined> {
  const { name, namespace } = service.metadata
  const live = await api.get<Service>(SERVICE, namespace, name)
  if (live === undefined) {
    report(name, 'is new')
    // In a namespace that is not there yet, nothing can be tried.
    if (namespace !== undefined && (await api.get(NAMESPACE, undefined, namespace)) !== undefined)
      await api.create(service, { dryRun: true })
    return { name, isNew: true }
  }
  const { kind } = phaseOf(live)
  if (kind === 'foreign') throw new Refused(splitBySomebody(name))
  const { template } = service.spec
  const next = await api.replace({ ...live, spec: { ...live.spec, template } }, { dryRun: true })
  if (isSame(next.spec.template, live.spec.template) && kind === 'steady') return undefined
  report(name, kind === 'steady' ? 'changes' : 'is on its way from an earlier deploy')
  return { name, isNew: false }
}
