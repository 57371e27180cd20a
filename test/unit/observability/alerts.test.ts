import { readFile } from 'node:fs/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { stringify } from 'yaml'
import { CASES, type AlertCase } from './alert-cases.ts'
import { findPromtool, type Promtool } from './promtool.ts'
import { readGroups, rules, type Group } from './rules.ts'

const alerts = rules.filter(({ alert }) => alert !== undefined)

let promtool: Promtool
beforeAll(async () => {
  promtool = await findPromtool()
})

/** One test of promtool's: whether `alert` fires after the minutes of its case. */
function toTest(
  alert: string,
  { severity, after, every = 1 }: AlertCase,
  series: Readonly<Record<string, string>>,
  fires: boolean,
) {
  return {
    interval: `${every}m`,
    input_series: Object.entries(series).map(([name, values]) => ({ series: name, values })),
    promql_expr_test: [
      {
        expr: `max by (alertname, severity) (ALERTS{alertname="${alert}", alertstate="firing"})`,
        eval_time: `${after}m`,
        exp_samples: fires ? [{ labels: `{alertname="${alert}", severity="${severity}"}`, value: 1 }] : [],
      },
    ],
  }
}

/** Runs the cases of all alerts in `groups`: those of one group with its rules alone, which is quicker than all with all. */
function runCases(groups: readonly Group[]): Promise<string> {
  const files: Record<string, string> = {}
  for (const group of groups) {
    files[`${group.name}.rules.yaml`] = stringify({ groups: [group] })
    const cases = group.rules.flatMap(({ alert = '' }) => {
      const each = CASES[alert]
      return each === undefined ? [] : [{ alert, each, every: each.every ?? 1 }]
    })
    for (const [every, some] of Map.groupBy(cases, (one) => one.every)) {
      files[`${group.name}.${every}.test.yaml`] = stringify({
        rule_files: [`${group.name}.rules.yaml`],
        evaluation_interval: `${every}m`,
        tests: some.flatMap(({ alert, each }) => [
          toTest(alert, each, each.fires, true),
          toTest(alert, each, each.quiet, false),
        ]),
      })
    }
  }
  const tests = Object.keys(files).filter((name) => name.endsWith('.test.yaml'))
  return promtool.run(files, 'test', 'rules', ...tests)
}

describe('the alert rules', () => {
  test('each have a case that fires and one that is quiet, a summary and a description', () => {
    expect(new Set(Object.keys(CASES))).toEqual(new Set(alerts.map(({ alert }) => alert)))
    for (const { annotations } of alerts)
      expect(Object.keys(annotations ?? {})).toEqual(['summary', 'description'])
  })

  test('are all in the README, and those that wait for their metric are no rules yet', async () => {
    const text = await readFile(new URL('../../../knative/observability/README.md', import.meta.url), 'utf8')
    const [present = '', waiting = ''] = text.split('These wait for')
    const namesIn = (table: string) =>
      new Set([...table.matchAll(/`([A-Z]\w+)`(?=[^|]*\|)/g)].map(([, name]) => name))
    expect(namesIn(present.slice(present.indexOf('## Alerts')))).toEqual(
      new Set(alerts.map(({ alert }) => alert)),
    )
    for (const name of namesIn(waiting)) expect(Object.keys(CASES)).not.toContain(name)
  })

  test('are what Prometheus reads', async ({ skip }) => {
    if (promtool.missing !== undefined) skip(promtool.missing)
    const said = await promtool.run(
      { 'rules.yaml': stringify({ groups: readGroups() }) },
      'check',
      'rules',
      'rules.yaml',
    )
    expect(said).toContain(`SUCCESS: ${rules.length} rules found`)
  })

  test('fire when they should, and not when they should not', async ({ skip }) => {
    if (promtool.missing !== undefined) skip(promtool.missing)
    expect(await runCases(readGroups())).toContain('SUCCESS')
  })

  test('are caught where a threshold is wrong', async ({ skip }) => {
    if (promtool.missing !== undefined) skip(promtool.missing)
    const groups = readGroups()
    const rule = groups.flatMap((group) => group.rules).find(({ alert }) => alert === 'InferenceQueueLong')
    if (rule === undefined) throw new TypeError('There is no such rule')
    rule.expr = 'max(relay_jobs_unfinished) > 1000'
    await expect(runCases(groups.filter(({ name }) => name === 'kgents-inference'))).rejects.toThrow(
      /FAILED[\s\S]*InferenceQueueLong/,
    )
  })
})
