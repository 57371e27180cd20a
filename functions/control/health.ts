/** Health of the platform: for load balancers, for people, and for Prometheus. A degraded part is reported as degraded. */
import { z } from 'zod'
import type { ComponentHealth } from '../../shared/contract/platform.ts'
import { NoInput } from '../../shared/contract/define-node.ts'
import { defineOperation, route } from '../../shared/contract/define-operation.ts'
import { VERSION } from '../../shared/version.ts'

const Component = z.strictObject({
  status: z.enum(['ok', 'degraded', 'error', 'not_configured']),
  detail: z.string().optional(),
  latency_ms: z.number().optional(),
})
const Health = z.strictObject({
  status: z.enum(['ok', 'degraded', 'error']),
  version: z.string(),
  has_llm: z.boolean(),
  components: z.record(z.string(), z.string()),
})
const DetailedHealth = Health.extend({ components: z.record(z.string(), Component) })

export const health = defineOperation({
  name: 'health',
  summary: 'Health of the platform and its dependencies',
  routes: {
    brief: route({
      route: 'GET /health',
      summary: 'Whether the platform can serve, in one word per part',
      auth: 'none',
      needs: ['health'],
      input: NoInput,
      output: Health,
      status: statusOf,
      statuses: [200, 503],
      async handle(_input, { probe }) {
        const components = await probe()
        const words = Object.entries(components).map(([name, { status }]) => [name, status] as const)
        return { ...summary(components), components: Object.fromEntries(words) }
      },
    }),

    detailed: route({
      route: 'GET /health/saas',
      summary: 'Each dependency with its state and latency',
      auth: 'none',
      needs: ['health'],
      input: NoInput,
      output: DetailedHealth,
      status: statusOf,
      statuses: [200, 503],
      async handle(_input, { probe }) {
        const components = await probe()
        return { ...summary(components), components }
      },
    }),

    metrics: route({
      route: 'GET /metrics',
      summary: 'Platform-wide metrics in the Prometheus text format',
      auth: 'none',
      needs: ['health'],
      input: NoInput,
      output: z.string(),
      format: 'text',
      handle: (_input, { metrics }) => metrics(),
    }),
  },
})

type Components = Record<string, ComponentHealth>

function summary(components: Components) {
  return { status: overall(components), version: VERSION, has_llm: components['inference']?.status === 'ok' }
}

/** Without the database nothing can be served; without anything else, less can. */
function overall(components: Components): 'ok' | 'degraded' | 'error' {
  if (components['postgres']?.status === 'error') return 'error'
  return Object.values(components).some(({ status }) => status === 'error' || status === 'degraded')
    ? 'degraded'
    : 'ok'
}

function statusOf({ status }: { status: string }): number {
  return status === 'error' ? 503 : 200
}
