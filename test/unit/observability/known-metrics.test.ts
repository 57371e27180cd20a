import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, test } from 'vitest'
import { dashboards } from '../../../knative/observability/dashboards.ts'
import { toGrafana } from '../../../knative/observability/panels.ts'
import { emittedMetrics } from './emitted-metrics.ts'
import { EXPORTERS } from './exporters.ts'
import { COMPONENT, namesOf, queries, rules } from './rules.ts'

let known: Set<string>
beforeAll(async () => {
  const recorded = rules.flatMap(({ record }) => record ?? [])
  known = new Set([...(await emittedMetrics()), ...Object.values(EXPORTERS).flat(), ...recorded])
})

describe('each query of a rule or a panel', () => {
  test.each(queries)('$at can be read, and names what somebody exports', ({ text }) => {
    const { metrics, faults } = namesOf(text)
    expect(faults).toEqual([])
    expect(metrics).not.toEqual([])
    expect(metrics.filter((name) => !known.has(name))).toEqual([])
  })

  test('asks for no tenant and no person', () => {
    const labels = queries.flatMap(({ text }) => namesOf(text).labels)
    expect(labels.filter((label) => /tenant|user/i.test(label))).toEqual([])
  })

  test('is found out where it names what nobody exports', () => {
    const { metrics } = namesOf('sum by (x) (rate(agentese_cost_usd{tier="pro"}[5m])) > on () relay_leading')
    expect(metrics).toEqual(['agentese_cost_usd', 'relay_leading'])
    expect(metrics.filter((name) => !known.has(name))).toEqual(['agentese_cost_usd'])
    expect(namesOf('sum(rate(').faults).not.toEqual([])
  })
})

test('every exporter is listed for something that is asked of it', () => {
  const named = new Set(queries.flatMap(({ text }) => namesOf(text).metrics))
  expect(
    Object.values(EXPORTERS)
      .flat()
      .filter((name) => !named.has(name)),
  ).toEqual([])
})

describe('the dashboards', () => {
  test.each(dashboards)('$name is deployed as it is described', (dashboard) => {
    const deployed = readFileSync(join(COMPONENT, 'dashboards', `${dashboard.name}.json`), 'utf8')
    expect(JSON.parse(deployed)).toEqual(toGrafana(dashboard))
  })

  test('are all in the ConfigMap', () => {
    const kustomization = readFileSync(join(COMPONENT, 'kustomization.yaml'), 'utf8')
    for (const { name } of dashboards) expect(kustomization).toContain(`- dashboards/${name}.json`)
  })

  test('have each title once, a unit everywhere, and a query in every panel', () => {
    for (const { panels } of dashboards) {
      expect(new Set(panels.map(({ title }) => title)).size).toBe(panels.length)
      for (const { unit, queries: asked } of panels) {
        expect(unit).not.toBe('')
        expect(Object.keys(asked)).not.toEqual([])
      }
    }
  })
})
