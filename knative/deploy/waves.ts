/** Several Services: one first, then a few at a time, and none after a bad one. */
import { deployService } from './canary.ts'
import { isGood, type Deploy, type Outcome } from './deploy.ts'
import { SERVICE, type Service } from './objects.ts'
import { phaseOf } from './service-state.ts'

/**
 * Deploys `services`. Those that an earlier deploy left on their way come first, all together: should one be bad, they all
 * go back.
 *
 * @throws what the first one threw, when those beside it have ended
 */
export async function deployInWaves(
  services: readonly Service[],
  deploy: Deploy,
  waveSize: number,
): Promise<Outcome[]> {
  const outcomes: Outcome[] = []
  for (const wave of await wavesOf(services, deploy, waveSize)) {
    if (deploy.stopped.because !== undefined) {
      outcomes.push(...wave.map(({ metadata }) => ({ name: metadata.name, kind: 'not begun' as const })))
      continue
    }
    outcomes.push(...(await deployWave(wave, deploy)))
  }
  return outcomes
}

async function deployWave(wave: readonly Service[], deploy: Deploy): Promise<Outcome[]> {
  const settled = await Promise.allSettled(
    wave.map(async (service) => {
      const outcome = await deployService(service, deploy)
      if (!isGood(outcome)) deploy.stopped.because ??= `${outcome.name} of the same deploy is bad`
      return outcome
    }),
  )
  const failed = settled.find((each) => each.status === 'rejected')
  if (failed !== undefined) throw failed.reason
  return settled.flatMap((each) => (each.status === 'fulfilled' ? [each.value] : []))
}

async function wavesOf(services: readonly Service[], { api }: Deploy, size: number): Promise<Service[][]> {
  const begun: Service[] = []
  const others: Service[] = []
  for (const service of services) {
    const { namespace, name } = service.metadata
    const live = await api.get<Service>(SERVICE, namespace, name)
    const isBegun = live !== undefined && phaseOf(live).kind !== 'steady'
    const isNew = live === undefined
    // New ones have no requests to lose, and those that have may call them.
    if (isBegun || isNew) begun.push(service)
    else others.push(service)
  }
  const [first, ...rest] = others
  const waves = [begun, first === undefined ? [] : [first]]
  for (let at = 0; at < rest.length; at += size) waves.push(rest.slice(at, at + size))
  return waves.filter((wave) => wave.length > 0)
}
