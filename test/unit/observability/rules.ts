/** The rules and queries that are deployed, read from the files. */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parser } from '@prometheus-io/lezer-promql'
import { parse } from 'yaml'
import { dashboards } from '../../../knative/observability/dashboards.ts'

export const COMPONENT = join(import.meta.dirname, '../../../knative/manifests/components/monitoring-rules')

export interface Rule {
  alert?: string
  record?: string
  expr: string
  for?: string
  labels?: Record<string, string>
  annotations?: Record<string, string>
}

export interface Group {
  name: string
  rules: Rule[]
}

export function readGroups(): Group[] {
  return readdirSync(COMPONENT)
    .filter((file) => file.startsWith('rules-'))
    .flatMap((file) => {
      const { spec } = parse(readFileSync(join(COMPONENT, file), 'utf8')) as { spec: { groups: Group[] } }
      return spec.groups
    })
}

export const rules = readGroups().flatMap((group) => group.rules)

/** Each query of a rule or a panel that goes to Prometheus, with where it stands. */
export const queries: readonly { at: string; text: string }[] = [
  ...rules.map(({ alert, record, expr }) => ({ at: alert ?? record ?? '', text: expr })),
  ...dashboards.flatMap(({ title, panels }) =>
    panels
      .filter(({ source = 'prometheus' }) => source === 'prometheus')
      .flatMap((panel) =>
        Object.values(panel.queries).map((text) => ({ at: `${title}, "${panel.title}"`, text })),
      ),
  ),
]

export interface Names {
  metrics: string[]
  labels: string[]
  /** What the parser does not understand. */
  faults: string[]
}

/** The names in a PromQL query. */
export function namesOf(query: string): Names {
  const text = query.replaceAll('$__rate_interval', '5m')
  const names: Names = { metrics: [], labels: [], faults: [] }
  parser.parse(text).iterate({
    enter({ type, node, from, to }) {
      const found = text.slice(from, to)
      if (type.isError) names.faults.push(`after "${text.slice(0, from)}"`)
      if (type.name === 'LabelName') names.labels.push(found)
      if (type.name === 'Identifier' && node.parent?.type.name === 'VectorSelector') names.metrics.push(found)
    },
  })
  return names
}
