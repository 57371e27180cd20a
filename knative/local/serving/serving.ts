/** All functions of the stand-in: made from their Services, woken every second to report, every two to scale. */
import { closeSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { join } from 'node:path'
import type { Log } from '../../../shared/telemetry/log.ts'
import type { KnativeService } from '../../objects.ts'
import { openLog } from '../log-file.ts'
import { createCapacity } from './capacity.ts'
import { createRevision, type Revision, type RevisionOptions } from './revision.ts'
import { readScaling, TICK_SECONDS } from './scaling.ts'

export interface ServingOptions {
  services: readonly KnativeService[]
  command: readonly [string, ...string[]]
  /** What pods print is kept here, one file per function. */
  logFolder: string
  timeScale: number
  log: Log
  podCapacity?: number
  environmentOf(name: string): Record<string, string>
  onScale: RevisionOptions['onScale']
  onChange: RevisionOptions['onChange']
}

export interface Serving {
  readonly revisions: ReadonlyMap<string, Revision>
  /** Starts the pods that a Service wants at all times, and the clock. */
  begin(): void
  /** Ends every pod, those with requests in flight after `drainSeconds` at most. */
  close(drainSeconds: number): Promise<void>
}

const PODS_PER_CORE = 8

/** @throws TypeError where a Service needs what the stand-in cannot do */
export function createServing(options: ServingOptions): Serving {
  const { services, timeScale } = options
  const clock = () => performance.now() / 1000 / timeScale
  const capacity = createCapacity(options.podCapacity ?? PODS_PER_CORE * availableParallelism())
  const scalings = services.map((service) => ({ service, scaling: readScaling(service) }))
  const logDescriptors: number[] = []
  const revisions = new Map<string, Revision>()
  for (const { service, scaling } of scalings) {
    const { name } = service.metadata
    const { descriptor: logDescriptor } = openLog(join(options.logFolder, `${name}.log`))
    logDescriptors.push(logDescriptor)
    const { timeoutSeconds } = service.spec.template.spec
    const environment = toEnvironment(service, options.environmentOf(name))
    const revision = createRevision({
      ...options,
      name,
      scaling,
      timeoutSeconds,
      environment,
      logDescriptor,
      capacity,
      clock,
    })
    revisions.set(name, revision)
  }
  let timer: NodeJS.Timeout | undefined
  return {
    revisions,
    begin() {
      timer = setInterval(createBeat([...revisions.values()]), 1000 * timeScale)
      for (const revision of revisions.values()) revision.tick()
    },
    async close(drainSeconds) {
      clearInterval(timer)
      await Promise.all([...revisions.values()].map((revision) => revision.close(drainSeconds)))
      for (const descriptor of logDescriptors) closeSync(descriptor)
    },
  }
}

function createBeat(revisions: readonly Revision[]): () => void {
  let seconds = 0
  return () => {
    seconds += 1
    for (const revision of revisions) {
      revision.report()
      if (seconds % TICK_SECONDS === 0) revision.tick()
    }
  }
}

/** Nothing is inherited: a variable that the Service does not name is not there on a cluster either. */
function toEnvironment(service: KnativeService, given: Record<string, string>): Record<string, string> {
  const { name } = service.metadata
  const [container] = service.spec.template.spec.containers
  const literals = (container?.env ?? []).flatMap((each) =>
    'value' in each ? [[each.name, each.value]] : [],
  )
  return {
    ...given,
    ...Object.fromEntries(literals),
    K_SERVICE: name,
    K_CONFIGURATION: name,
    K_REVISION: `${name}-00001`,
  }
}
