import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect } from 'vitest'
import { dashboards } from '../../knative/observability/dashboards.ts'
import { namesOf } from '../unit/observability/rules.ts'
import { test } from './world.ts'

/** Labels of Prometheus itself. */
const OF_TARGETS = new Set(['job', 'pod', 'le'])
/** Of the gateway, whose names a unit test holds against Kong's. */
const OF_GATEWAY = /^kong[_:]/

/** Queries of panels that have data wherever the platform runs. */
const QUERIES = dashboards.flatMap(({ title, panels }) =>
  panels
    .filter(({ emptyWithout, source }) => emptyWithout === undefined && source !== 'loki')
    .flatMap((panel) =>
      Object.values(panel.queries).map((text) => ({ at: `${title}, "${panel.title}"`, text })),
    ),
)

/** What parts export now: the labels of each metric that has a value. */
async function readExported(state: string): Promise<Map<string, Set<string>>> {
  const processes = JSON.parse(readFileSync(join(state, 'processes.json'), 'utf8')) as Record<
    string,
    { port?: number }
  >
  const parts = ['redis-rest', 'relay', 'stream-hub', 'webhooks', 'gpu-worker-1']
  const texts = await Promise.all(
    parts.map(async (part) => (await fetch(`http://127.0.0.1:${processes[part]?.port}/metrics`)).text()),
  )
  const exported = new Map<string, Set<string>>()
  for (const [, name = '', labels = ''] of texts.join('\n').matchAll(/^(\w+)(?:\{(.*)\})? \S+$/gm)) {
    const names = exported.get(name) ?? new Set()
    for (const [, label = ''] of labels.matchAll(/(\w+)="/g)) names.add(label)
    exported.set(name, names)
  }
  return exported
}

/** What a panel would miss. */
function findMissing(exported: ReadonlyMap<string, ReadonlySet<string>>): string[] {
  return QUERIES.flatMap(({ at, text }) => {
    const { metrics, labels } = namesOf(text)
    if (metrics.some((name) => OF_GATEWAY.test(name))) return []
    const unknown = metrics.filter((name) => !exported.has(name))
    const known = new Set(metrics.flatMap((name) => [...(exported.get(name) ?? [])]))
    const missing = labels.filter((label) => !known.has(label) && !OF_TARGETS.has(label))
    return [...unknown, ...missing].map((name) => `${at}: ${name}`)
  })
}

test('after some calls, each panel finds its metrics with the labels that it names', async ({
  newTenant,
  state,
}) => {
  const caller = await newTenant()
  await caller.call('POST', '/v1/agentese/void/entropy/sip', { amount: 0.1 })
  await caller.call('POST', '/v1/agentese/self/memory/engram', { content: 'I like tea' })
  await caller.call(
    'POST',
    '/v1/agentese/self/soul/dialogue',
    { message: 'What is worth building?' },
    { prefer: 'wait=60' },
  )
  await expect.poll(async () => findMissing(await readExported(state))).toEqual([])
})
