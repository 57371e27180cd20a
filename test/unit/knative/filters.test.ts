import { expect, test } from 'vitest'
import { compileFilters } from '../../../knative/local/eventing/filters.ts'
import { triggersOf } from '../../../knative/manifests.ts'
import type { EventFilter, Trigger } from '../../../knative/objects.ts'

function triggerWith(filters: EventFilter[]): Trigger {
  const scale = {
    containerConcurrency: 0,
    timeoutSeconds: 60,
    maxScale: 1,
    target: 100,
    targetBurstCapacity: 0,
  }
  const triggers = [{ name: 'all', attributes: {} }]
  const [trigger] = triggersOf([{ name: 'hello', needs: [], scale, triggers }])
  if (trigger === undefined) throw new TypeError('no trigger')
  return { ...trigger, spec: { ...trigger.spec, filters } }
}

const event = {
  type: 'io.kgents.inference.completed',
  source: '/gpu-workers',
  subject: 'job-1',
  tenantid: 'acme',
}

test.each<[string, EventFilter[], boolean]>([
  ['no filter at all', [], true],
  ['an exact value', [{ exact: { type: 'io.kgents.inference.completed' } }], true],
  ['another exact value', [{ exact: { type: 'io.kgents.inference.failed' } }], false],
  ['an attribute that the event has not', [{ exact: { function: 'jobs' } }], false],
  [
    'several attributes, one of them different',
    [{ exact: { source: '/gpu-workers', tenantid: 'globex' } }],
    false,
  ],
  ['a prefix', [{ prefix: { type: 'io.kgents.inference.' } }], true],
  ['a suffix', [{ suffix: { type: '.completed', subject: '-2' } }], false],
  ['all of two', [{ all: [{ prefix: { type: 'io.' } }, { exact: { tenantid: 'acme' } }] }], true],
  ['any of two', [{ any: [{ exact: { tenantid: 'globex' } }, { exact: { tenantid: 'acme' } }] }], true],
  ['none of two', [{ any: [{ exact: { tenantid: 'globex' } }, { suffix: { type: '.failed' } }] }], false],
  ['not that', [{ not: { exact: { tenantid: 'globex' } } }], true],
  [
    'two filters, of which one fails',
    [{ exact: { tenantid: 'acme' } }, { not: { prefix: { type: 'io.' } } }],
    false,
  ],
  ['two dialects in one filter', [{ exact: { tenantid: 'acme' }, prefix: { type: 'com.' } }], false],
])('compileFilters() answers %s: %j is %s', (_name, filters, expected) => {
  expect(compileFilters(triggerWith(filters))(event)).toBe(expected)
})

test('compileFilters() refuses CloudEvents SQL, wherever it stands', () => {
  const trigger = triggerWith([{ not: { any: [{ cesql: "type LIKE 'io.%'" }] } }])
  expect(() => compileFilters(trigger)).toThrow(
    'Cannot run trigger "hello-all": filter "cesql" is not supported locally',
  )
})
