/**
 * What calls of AGENTESE paths came to, counted from the events that report them.
 *
 * Functions count nothing: a pod that sleeps takes its counters along, and one that is woken to be read does not sleep. Each
 * invocation has exactly one event, which passes here, so nothing is sampled and no call waits for it. An event that
 * is published again after a failure counts again.
 *
 * No tenant and no name that a tenant has chosen is a label: paths are those of the catalog.
 */
import { loaders } from '../../functions/loaders.ts'
import { nameOfNode } from '../../shared/contract/facts.ts'
import { InvocationData } from '../../shared/events/agentese-events.ts'
import type { KgentsEvent } from '../../shared/events/event.ts'
import { isOurDoing } from '../../shared/failures.ts'
import { JobCompleted } from '../../shared/inference/job-events.ts'
import type { Registry } from '../../shared/telemetry/metrics.ts'

const SECONDS = [0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 5, 10]
const JOB_SECONDS = [0.5, 1, 2, 5, 10, 30, 60, 120, 300, 900]

/** `rejected`: the caller is at fault; `error`: the platform is. */
const STATUSES = ['success', 'refusal', 'rejected', 'error'] as const
type Status = (typeof STATUSES)[number]

/** Creates the metrics in `registry`, and what counts an event in them. */
export function createInvocationMetrics(registry: Registry): (event: KgentsEvent) => void {
  const count = createCounters(registry)
  return ({ type, data }) => {
    if (type === 'io.kgents.job.completed') {
      const job = JobCompleted.pick({ tokens: true }).safeParse(data)
      if (job.success) count.tokens(job.data.tokens)
    }
    // Read leniently: an event that an older function wrote is published all the same.
    const invocation = INVOCATIONS.test(type) ? InvocationData.safeParse(data) : undefined
    if (invocation?.success === true) count.invocation(invocation.data, statusOf(type, invocation.data.code))
  }
}

const INVOCATIONS = /^io\.kgents\.agentese\.(invoked|failed|refused)$/

function statusOf(type: string, code: string | undefined): Status {
  if (type.endsWith('.invoked')) return 'success'
  if (type.endsWith('.refused')) return 'refusal'
  return isOurDoing(code ?? 'INTERNAL') ? 'error' : 'rejected'
}

function createCounters({ counter, histogram }: Registry) {
  const invocations = counter(
    'agentese_invocations_total',
    'Invocations of paths; rejected is the fault of the caller, error that of the platform',
    ['path', 'context', 'aspect', 'category', 'status', 'tier'],
  )
  const errors = counter('agentese_errors_total', 'Invocations that failed, by code', ['code'])
  const seconds = histogram(
    'agentese_invocation_duration_seconds',
    'Duration of invocations that asked no model',
    SECONDS,
    ['path', 'context'],
  )
  const jobs = histogram(
    'agentese_job_duration_seconds',
    'Time from the call of a path that asks a model to its answer',
    JOB_SECONDS,
    ['path', 'context'],
  )
  const charges = counter('agentese_charges_total', 'What invocations used up', ['resource', 'tier'])
  const effects = counter(
    'agentese_effect_operations_total',
    'Effects that the contracts of invoked paths declare',
    ['effect', 'resource'],
  )
  const tokens = counter('agentese_tokens_total', 'Tokens of jobs that were completed', ['direction'])
  /** What has been counted once has all its series: a rate sees no first error in one that begins with it. */
  const begun = new Set<string>()
  const begin = (labels: Record<'path' | 'context' | 'aspect' | 'category' | 'tier', string>) => {
    const key = `${labels.path} ${labels.tier}`
    if (begun.has(key)) return
    begun.add(key)
    for (const status of STATUSES) invocations.inc({ ...labels, status }, 0)
  }
  return {
    tokens({ prompt, completion }: { prompt: number; completion: number }) {
      tokens.inc({ direction: 'in' }, prompt)
      tokens.inc({ direction: 'out' }, completion)
    },
    invocation(data: InvocationData, status: Status) {
      const { category, code, job, duration_ms, tier = 'unknown' } = data
      const path = withoutHolon(data.path)
      const [context = '', , aspect = ''] = path.split('.')
      begin({ path, context, aspect, category, tier })
      invocations.inc({ path, context, aspect, category, status, tier })
      if (code !== undefined) errors.inc({ code })
      const duration = job === undefined ? seconds : jobs
      duration.observe({ path, context }, Math.max(0, duration_ms) / 1000)
      for (const [resource, amount] of Object.entries(data.charges))
        if (amount > 0) charges.inc({ resource, tier }, amount)
      if (status !== 'success') return
      for (const declared of data.effects) {
        const [effect = '', resource = ''] = declared.split(':')
        effects.inc({ effect, resource })
      }
    },
  }
}

/** Where a holon is a tenant's own, `*` stands in its place: `world.garden.manifest` is `world.*.manifest`. */
function withoutHolon(path: string): string {
  const [context = '', holon = '', ...aspect] = path.split('.')
  if (Object.hasOwn(loaders, nameOfNode(`${context}.${holon}`))) return path
  return [context, '*', ...aspect].join('.')
}
